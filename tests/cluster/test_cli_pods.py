"""The command line against real nodes: a job from `submit` to `fetch`, and pods made by hand."""

import hashlib
import json
import os
import pathlib
import random
import shutil

import pytest

import enclosure
import objects

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/hello"
JOB = "score"
ROWS = b"id,label\n" + b"".join(b"%d,x\n" % number for number in range(400_000))
ERRORS = """2026-01-01T00:00:00.000000Z mini-batch 1, attempt 1: RUN_EXCEPTION after 0.034 s
ValueError: bad name
Traceback (most recent call last):
  File "score.py", line 4, in run

2026-01-01T00:00:01.000000Z mini-batch 17, attempt 1: RUN_TIMEOUT after 60 s
TimeoutError: run() took too long

"""
PROCESSED = "Mini-batch Id,Picked Count,Status\n1,1,RUN_EXCEPTION\n2,1,RUN_DONE\n1,2,RUN_DONE\n"


@pytest.fixture(scope="module")
def reader_image(installed_chart, worker_image):
    return worker_image.name


def cli_in(cluster, namespace):
    """A function that runs the program against a namespace."""
    def run(*arguments, check=True, seconds=180):
        return cluster.run(os.environ["PARALLELJOB"], *arguments, "-n", namespace, check=check,
                           seconds=seconds)

    return run


@pytest.fixture
def cli(cluster, installed_chart, namespace):
    """cli("logs", "x"): runs the program against a namespace of its own."""
    return cli_in(cluster, namespace)


def manifest():
    """A job that no operator touches: its pods and its status are made by hand."""
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    outputs = [{"name": "rows", "type": "uri_file", "path": "out/rows.csv", "volume": claim},
               {"name": "models", "type": "uri_folder", "path": "models", "volume": claim}]
    return {"apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
            "metadata": {"name": JOB},
            "spec": {"inputs": [{"name": "data", "path": "in", "volume": claim}],
                     "outputs": outputs, "inputData": "${{inputs.data}}", "miniBatchSize": 5,
                     "managedBy": "test.paralleljob.dev/nobody",
                     "task": {"code": {"image": "/code"}, "entryScript": "score.py",
                              "environment": {"image": "localhost/none:1"},
                              "appendRowTo": "${{outputs.rows}}"}}}


def work_folder(uid):
    """As the pods of run 1 have it: the job's name and a hash of who it is."""
    identity = hashlib.sha256(f"{uid}/1".encode()).hexdigest()[:8]
    return f"paralleljob/{JOB}-{identity}"


def data_volume(cluster, namespace, tmp_path):
    """The claim `data`; the folder of this machine that it is."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)  # what the kubelet makes below it for a subPath has the same mode
    volume, claim = objects.shared_volume(f"data-{namespace}", folder, namespace)
    volume["spec"]["claimRef"]["name"] = claim["metadata"]["name"] = "data"
    cluster.apply(volume, claim, namespace=namespace)
    return folder


@pytest.fixture
def ended_job(cluster, namespace, tmp_path, reader_image):
    """A job that has ended, its volume as its pods left it, and the folder that is the volume."""
    volume = data_volume(cluster, namespace, tmp_path)
    cluster.apply(manifest(), namespace=namespace)
    uid = cluster.get("paralleljob", JOB, "-n", namespace)["metadata"]["uid"]
    condition = {"type": "Failed", "status": "True", "reason": "ErrorThresholdExceeded",
                 "message": "too many", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"status": {"state": "Failed", "run": 1, "conditions": [condition], "outputs": {
        "rows": "/paralleljob/outputs/rows/rows.csv", "models": "/paralleljob/outputs/models"}}}
    cluster.kubectl("patch", "paralleljob", JOB, "-n", namespace, "--subresource=status",
                    "--type=merge", "-p", json.dumps(status))
    logs = f"{work_folder(uid)}/logs"
    for path, content in {
            "out/rows.csv": ROWS, "out/other.csv": b"of another job\n",
            "out/rows.csv.partial": b"of an earlier run\n",
            "models/a/model.bin": bytes(range(256)) * 100, "models/empty": b"",
            f"{logs}/job_result.txt": b"Failed: too many\n",
            f"{logs}/user/error/instance-0/process000.txt": ERRORS.encode(),
            f"{logs}/user/stdout/instance-1/process000.stdout.txt": b"of instance 1\n",
            f"{logs}/sys/job_report/processed_mini-batches.csv": PROCESSED.encode()}.items():
        file = volume / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return volume


def readers(cluster, namespace):
    return cluster.get("pods", "-n", namespace,
                       "-l", "app.kubernetes.io/component=reader")["items"]


def no_reader_is_left(cluster, namespace):
    enclosure.wait_until("no reader pod", 30, lambda: not readers(cluster, namespace))
    return True


def test_fetch_brings_outputs_and_logs_whole(cluster, namespace, cli, ended_job, reader_image,
                                             tmp_path):
    out = tmp_path / "fetched"
    fetch = ("fetch", JOB, "--output", str(out), "--worker-image", reader_image, "-o", "json")
    report = json.loads(cli(*fetch).stdout)
    assert (out / "outputs/rows/rows.csv").read_bytes() == ROWS
    assert (out / "outputs/models/a/model.bin").read_bytes() == bytes(range(256)) * 100
    assert (out / "outputs/models/empty").read_bytes() == b""
    assert (out / "logs/job_result.txt").read_text(encoding="utf-8") == "Failed: too many\n"
    assert [path.name for path in (out / "outputs/rows").iterdir()] == ["rows.csv"]
    for file in report["files"]:
        content = (out / file["path"]).read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(report["files"]) == 7 == sum(1 for path in out.rglob("*") if path.is_file())
    assert no_reader_is_left(cluster, namespace)
    # Again: what is whole stays, what is damaged or lacks is mended.
    (out / "outputs/rows/rows.csv").write_bytes(ROWS[:-2] + b"?\n")
    (out / "outputs/models/empty").unlink()
    before = (out / "logs/job_result.txt").stat().st_mtime_ns
    again = cli(*fetch[:-2])
    assert (out / "outputs/rows/rows.csv").read_bytes() == ROWS
    assert (out / "outputs/models/empty").exists()
    assert (out / "logs/job_result.txt").stat().st_mtime_ns == before
    assert "5 were here already" in again.stdout


def test_the_reader_pod_may_do_nothing_else(cluster, namespace, cli, ended_job, reader_image,
                                            tmp_path):
    """It is stopped in the middle by Ctrl-C; the namespace enforces *restricted*."""
    huge = ended_job / "models/huge.bin"
    with huge.open("wb") as file:
        file.truncate(8 << 30)
    running = cluster.popen(os.environ["PARALLELJOB"], "fetch", JOB, "--output",
                            str(tmp_path / "out"), "--worker-image", reader_image, "-n", namespace)
    pod = enclosure.wait_until("a reader pod", 60, lambda: readers(cluster, namespace))[0]
    assert pod["spec"]["automountServiceAccountToken"] is False
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert all(mount["readOnly"] and mount["subPath"] for mount in mounts) and len(mounts) == 3
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "ParallelJob"
    part = tmp_path / "out/outputs/models/huge.bin.part"
    enclosure.wait_until("bytes", 90, part.exists)
    # Whoever does not know the token gets nothing.
    name = pod["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}/pods/http:{name}:8077/proxy"
    for guess in ("/", "/files", "/00000000000000000000000000000000/files",
                  "/../../../etc/passwd"):
        refused = cluster.kubectl("get", "--raw", path + guess, check=False)
        assert refused.returncode != 0, refused.stdout
    interrupt(cluster, running)
    assert running.wait(60) == 130
    assert no_reader_is_left(cluster, namespace)
    assert not part.with_suffix("").exists()


def interrupt(cluster, running):
    """Ctrl-C for the program that `popen` started below nsenter."""
    children = pathlib.Path(f"/proc/{running.pid}/task/{running.pid}/children")
    below = children.read_text(encoding="utf-8").split()
    os.kill(int(below[0]) if below else running.pid, 2)


def test_logs_of_a_job_that_has_ended(cluster, namespace, cli, ended_job, reader_image):
    image = ("--worker-image", reader_image)
    # No pod of the job is left: the operator's Deployment tells the image.
    whole = cli("logs", JOB).stdout
    assert "Failed: too many" in whole
    lines = [json.loads(line) for line in cli("logs", JOB, "-o", "json").stdout.splitlines()]
    assert [one["line"] for one in lines if one["file"] == "logs/job_result.txt"]
    one = cli("logs", JOB, "--mini-batch", "1", *image).stdout
    assert "ValueError: bad name" in one and "TimeoutError" not in one
    assert "1,1,RUN_EXCEPTION" in one and "1,2,RUN_DONE" in one and "2,1," not in one
    instance = cli("logs", JOB, "--instance", "1", *image).stdout
    assert "of instance 1" in instance and "too many" not in instance
    nothing = cli("logs", JOB, "--mini-batch", "99", *image, check=False)
    assert nothing.returncode == 2 and "nothing tells of mini-batch 99" in nothing.stderr
    assert no_reader_is_left(cluster, namespace)


def test_what_does_not_start_says_why(cluster, namespace, cli, ended_job):
    wrong = cli("fetch", JOB, "--worker-image", "Not/An:Image", check=False)
    assert wrong.returncode == 3 and "InvalidImageName" in wrong.stderr
    assert "--worker-image REF" in wrong.stderr
    missing = cli("fetch", "nobody", "--worker-image", "x", check=False)
    assert missing.returncode == 2 and "nobody" in missing.stderr
    local = ended_job.parent / "local"
    local.mkdir()
    (local / "state.db").touch()
    refused = cli("fetch", JOB, "--output", str(local), check=False)
    assert refused.returncode == 2 and "is the folder of a local run" in refused.stderr


def worker(name, index, toolbox, script):
    """A pod as the operator makes them, as far as logs go."""
    spec = objects.pod_spec(toolbox, script)
    agent = spec["containers"][0] | {"name": "agent"}
    user = agent | {"name": "user", "command": ["/bin/sh", "-ec", f"echo user {index}"]}
    made = objects.pod(name, spec | {"containers": [agent, user]})
    made["metadata"]["labels"] = {"paralleljob.dev/job": JOB}
    made["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": str(index)}
    return made


def test_logs_of_running_pods(cluster, namespace, cli, toolbox):
    cluster.apply(manifest(), namespace=namespace)
    assert "no pods" in cli("logs", JOB).stderr
    for index in (1, 0):
        cluster.apply(worker(f"w-{index}", index, toolbox, f"echo agent {index}; echo last"),
                      namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pods", "--all", "--timeout=60s",
                    "--for=jsonpath={.status.phase}=Succeeded")
    lines = cli("logs", JOB).stdout.splitlines()
    assert lines == ["==> instance 0: w-0/agent <==", "agent 0", "last",
                     "==> instance 0: w-0/user <==", "user 0",
                     "==> instance 1: w-1/agent <==", "agent 1", "last",
                     "==> instance 1: w-1/user <==", "user 1"]
    told = [json.loads(line) for line in cli("logs", JOB, "-o", "json").stdout.splitlines()]
    assert told[0] == {"instance": 0, "pod": "w-0", "container": "agent", "line": "agent 0"}
    assert len(told) == 6
    some = cli("logs", JOB, "--instance", "1", "-c", "agent", "--tail", "1").stdout
    assert some.splitlines() == ["==> instance 1: w-1/agent <==", "last"]
    table = cli("top", JOB).stdout.splitlines()
    assert [line.split()[:2] for line in table[-2:]] == [["0", "Succeeded"], ["1", "Succeeded"]]


def test_following_ends_with_the_job(cluster, namespace, cli, toolbox, tmp_path):
    cluster.apply(manifest(), namespace=namespace)
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        running = cluster.popen(os.environ["PARALLELJOB"], "logs", JOB, "-f", "-n", namespace,
                                stdout=log)
    seen = (tmp_path / "log").read_text
    script = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done"
    cluster.apply(worker("w-0", 0, toolbox, script), namespace=namespace)
    enclosure.wait_until("lines", 60, lambda: "[0/agent] line 299\n" in seen(encoding="utf-8"))
    assert running.poll() is None
    condition = {"type": "Complete", "status": "True", "reason": "Complete", "message": "",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}
    cluster.kubectl("patch", "paralleljob", JOB, "-n", namespace, "--subresource=status",
                    "--type=merge", "-p", json.dumps({"status": {"conditions": [condition]}}))
    assert running.wait(60) == 0
    agent = [line for line in seen(encoding="utf-8").splitlines() if "/agent]" in line]
    assert agent == [f"[0/agent] line {number}" for number in range(300)], "each once, in order"
    assert "[0/user] user 0" in seen(encoding="utf-8")


SCRIPT = """
import hashlib, pathlib, sys
here = pathlib.Path(__file__).parent
digest = hashlib.sha256((here / "pkg/model.bin").read_bytes()).hexdigest()

def run(mini_batch):
    print("working on", len(mini_batch))
    return [digest + " " + pathlib.Path(path).read_text().strip() for path in mini_batch]
"""


# Code that a volume over ConfigMaps holds, and code that only an archive does.
MODELS = {form: random.Random(7).randbytes(size)
          for form, size in (("volume", 1000), ("archive", 700_000))}


@pytest.fixture(scope="session")
def submitted(cluster, installed_chart, user_image, aside, tmp_path_factory):
    """Form of the code → its namespace, and the future of `submit --wait`."""
    image, going = user_image("3.11"), {}
    for form, model in MODELS.items():
        folder, namespace = tmp_path_factory.mktemp("submitted"), f"submitted-{form}"
        cluster.apply(objects.namespace(namespace))
        data_volume(cluster, namespace, folder)
        job = example(folder / "hello", model)
        going[form] = namespace, aside(
            cli_in(cluster, namespace), "submit", "-f", str(job), "--wait", "-o", "json",
            "--image", f"hello={image}", "--output", "greetings=pvc:data/hello/greetings.txt")
    yield going
    for namespace, _ in going.values():
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def example(folder, model):
    """The example with a model beside its script; its file."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data"))
    (folder / "data").mkdir()
    for number in range(10):
        (folder / f"data/{number}.txt").write_text(f"name {number}\n", encoding="utf-8")
    (folder / "src/hello.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "src/pkg").mkdir()
    (folder / "src/pkg/model.bin").write_bytes(model)
    return folder / "job.yaml"


@pytest.mark.turn(2)
def test_submitted_jobs_begin(cluster, submitted):
    """Others are tested while they run."""
    for namespace, _ in submitted.values():
        enclosure.wait_until("a ParallelJob", 60, lambda namespace=namespace: cluster.get(
            "paralleljobs", "-n", namespace)["items"])


@pytest.mark.parametrize("form", MODELS)
def test_a_job_from_submit_to_fetch(cluster, submitted, tmp_path, form):
    namespace, ended = submitted[form]
    cli, done = cli_in(cluster, namespace), ended.result()
    result = json.loads(done.stdout)
    assert result["state"] == "Complete", done.stderr
    assert result["miniBatches"] == {"total": 5, "succeeded": 5, "failed": 0}, result["errors"]
    code = cluster.get("paralleljob", "hello", "-n", namespace)["spec"]["task"]["code"]
    assert list(code) == [form]
    out = tmp_path / "fetched"
    cli("fetch", "hello", "--output", str(out))
    rows = (out / "outputs/greetings/greetings.txt").read_text(encoding="utf-8").splitlines()
    digest = hashlib.sha256(MODELS[form]).hexdigest()
    assert rows == [f"{digest} name {number}" for number in range(10)]
    printed = [path.read_text(encoding="utf-8") for path in out.glob("logs/user/stdout/*/*")]
    assert sum(text.count("working on") for text in printed) == 5
    # What was fetched can be verified without the cluster; a second fetch mends it.
    verify = (os.environ["PARALLELJOB"], "verify", str(out))
    assert "output and reports agree with the result" in cluster.run(*verify).stdout
    (out / "outputs/greetings/greetings.txt").write_text("damaged\n", encoding="utf-8")
    damaged = cluster.run(*verify, check=False)
    assert damaged.returncode == 1 and "checksum of the output file" in damaged.stderr
    cli("fetch", "hello", "--output", str(out))
    assert cluster.run(*verify, check=False).returncode == 0
    assert "2,1," in cli("logs", "hello", "--mini-batch", "2").stdout
    assert "==> logs/job_result.txt <==" in cli("logs", "hello").stdout
    assert no_reader_is_left(cluster, namespace)
