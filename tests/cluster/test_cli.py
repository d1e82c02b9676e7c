"""The command line on a real control plane, with the operator beside it; no nodes."""

import base64
import io
import json
import os
import pathlib
import re
import shutil
import tarfile

import pytest

import enclosure
import objects
import operator_process

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/hello"
WHERE = ("--image", "hello=python:3.11", "--output", "greetings=pvc:shared/hello/greetings.txt")


@pytest.fixture(scope="module")
def plane(crd):
    """A control plane that knows ParallelJobs, with the schema that users have."""
    return crd


@pytest.fixture(scope="module")
def operator(plane):
    with operator_process.Operator(plane, 18090, "--leader-elect", "--drain-seconds=2") as running:
        running.wait_until_it_leads()
        yield running


@pytest.fixture
def example(tmp_path):
    """The example `hello` in a folder of its own, with its data."""
    folder = tmp_path / "hello"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data"))
    (folder / "data").mkdir()
    for number in range(4):
        (folder / "data" / f"{number}.txt").write_text(f"name {number}\n", encoding="utf-8")
    (folder / "src/pkg").mkdir()
    (folder / "src/pkg/table.bin").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture
def cli(plane, space):
    """cli("status", "x"): runs the program against `space`; its CompletedProcess."""
    def run(*arguments, check=True, namespace=space):
        where = ("-n", namespace) if namespace else ()
        return plane.run(os.environ["PARALLELJOB"], *arguments, *where, check=check)

    return run


def submit(cli, example, *more, **options):
    return cli("submit", "-f", str(example / "job.yaml"), *WHERE, *more, **options)


def spec(plane, space, job="hello"):
    return plane.get("paralleljob", job, "-n", space)["spec"]


def wait(what, check):
    enclosure.wait_until(what, 30, check)


def worker_job(plane, space):
    found = plane.get("jobs", "-n", space)["items"]
    return found[0] if found else None


def test_a_submitted_job_gets_its_pods(plane, operator, cli, space, example):
    done = submit(cli, example, "-o", "json")
    shown = json.loads(done.stdout)
    assert shown["job"] == "hello" and shown["submitted"] == "created"
    owner = plane.get("paralleljob", "hello", "-n", space)["metadata"]["uid"]
    maps = {one["metadata"]["name"]: one for one in plane.get("configmaps", "-n", space)["items"]}
    for name in ("hello-code-", "hello-in-names-"):
        packed = [one for key, one in maps.items() if key.startswith(name)]
        assert len(packed) == 1 and packed[0]["immutable"]
        assert packed[0]["metadata"]["ownerReferences"][0]["uid"] == owner
    wait("a Job", lambda: worker_job(plane, space))
    wait("its pods", lambda: plane.get("pods", "-n", space)["items"])
    pod = plane.get("pods", "-n", space)["items"][0]["spec"]
    user = next(c for c in pod["initContainers"] if c["name"] == "user")
    code = next(m for m in user["volumeMounts"] if m["mountPath"] == "/paralleljob/code")
    assert code["subPath"] == "files" and code["readOnly"]
    volume = next(v for v in pod["volumes"] if v["name"] == code["name"])
    paths = [item["path"] for item in volume["projected"]["sources"][0]["configMap"]["items"]]
    assert paths == ["files/hello.py", "files/pkg/table.bin"]
    again = submit(cli, example)
    assert "unchanged" in again.stderr
    (example / "src/hello.py").write_text("def run(batch):\n    return []\n", encoding="utf-8")
    refused = submit(cli, example, check=False)
    assert refused.returncode == 3 and "exists with another spec.task" in refused.stderr


def test_status_tells_what_the_operator_wrote(plane, operator, cli, space, example):
    assert "no jobs" in cli("status").stderr
    submit(cli, example)
    wait("a state", lambda: json.loads(cli("status", "hello", "-o", "json").stdout)["reason"]
         not in ("NotSeen", ""))
    shown = json.loads(cli("status", "hello", "-o", "json").stdout)
    assert shown["state"] == "Pending" and shown["workers"]["wanted"] == 2
    assert shown["namespace"] == space and shown["miniBatches"]["total"] == 0
    listed = json.loads(cli("status", "-o", "json").stdout)
    assert [job["job"] for job in listed["jobs"]] == ["hello"]
    table = cli("status").stdout.splitlines()
    assert table[0].split() == ["NAME", "STATUS", "PROGRESS", "FAILED", "WORKERS", "DURATION"]
    assert table[1].split()[:2] == ["hello", "Pending"]
    assert "no errors so far" in cli("errors", "hello").stdout
    nobody = cli("status", "nobody", check=False)
    assert nobody.returncode == 2 and "nobody" in nobody.stderr and "error: " in nobody.stderr


def test_control_changes_what_it_should(plane, operator, cli, space, example):
    submit(cli, example)
    wait("a Job", lambda: worker_job(plane, space))
    cli("scale", "hello", "--instances", "3")
    wait("three workers", lambda: worker_job(plane, space)["spec"]["parallelism"] == 3)
    cli("suspend", "hello")
    assert spec(plane, space)["suspend"] is True
    wait("a suspended Job", lambda: worker_job(plane, space)["spec"].get("suspend") is True)
    assert "already" in cli("suspend", "hello").stdout
    cli("resume", "hello")
    wait("a Job that goes on", lambda: not worker_job(plane, space)["spec"].get("suspend"))
    assert spec(plane, space)["instanceCount"] == 3
    cli("cancel", "hello")

    def reasons():
        status = plane.get("paralleljob", "hello", "-n", space).get("status", {})
        return {c["reason"] for c in status.get("conditions", []) if c["type"] == "FailureTarget"}

    wait("the verdict", lambda: reasons() == {"Cancelled"})
    assert json.loads(cli("status", "hello", "-o", "json").stdout)["state"] == "Failing"


def test_nothing_is_submitted_that_cannot_run(cli, example):
    plain = cli("submit", "-f", str(example / "job.yaml"), check=False)
    assert plain.returncode == 2
    assert "spec.task.environment.image" in plain.stderr
    assert "--output greetings=pvc:CLAIM/path" in plain.stderr
    (example / "data/large.bin").write_bytes(b"x" * (5 << 20))
    large = submit(cli, example, "-o", "json", check=False)
    assert large.returncode == 2 and "--input names=pvc:CLAIM/path" in large.stderr
    assert json.loads(large.stdout)["state"] == "NotStarted"


def test_azure_yaml_is_submitted_too(plane, cli, space, tmp_path):
    folder = tmp_path / "digits"
    shutil.copytree(EXAMPLE.parent / "digits", folder, ignore=shutil.ignore_patterns("data"))
    (folder / "data").mkdir()
    (folder / "data/1.png").write_bytes(b"\x89PNG")
    typed = ("submit", "-f", str(folder / "pipeline.yml"),
             "--output", "identified=pvc:shared/identified.txt")
    refused = cli(*typed, check=False)
    assert refused.returncode == 2 and "condaFile" in refused.stderr
    # Packages of a Conda file are the image's on a cluster; the error says what to type.
    assert f"paralleljob {' '.join(typed)}" in refused.stderr
    assert "--image identify=REFERENCE" in refused.stderr
    done = cli(*typed, "--image", "identify=python:3.11", check=False)
    assert done.returncode == 0, done.stderr
    assert "must hold numpy, pandas, scikit-learn, pillow" in done.stderr
    stored = spec(plane, space, "digits-pipeline")
    assert stored["task"]["entryScript"] == "identify.py" and stored["instanceCount"] == 2
    assert stored["task"]["code"]["volume"]["path"] == "files"
    assert stored["outputs"][0]["format"] == "text"
    assert stored["task"]["environment"] == {"image": "python:3.11"}


def test_a_folder_for_gitops_is_one_that_kubectl_applies(plane, cli, space, example, tmp_path):
    out = tmp_path / "deploy"
    convert = ("convert", "-f", str(example / "job.yaml"), *WHERE, "--out")
    cli(*convert, str(out), namespace="")
    assert sorted(path.suffix for path in out.iterdir()) == [".yaml"] * 4
    plane.kubectl("apply", "-n", space, "-k", str(out))
    same = plane.kubectl("apply", "-n", space, "-k", str(out)).stdout.splitlines()
    assert len(same) == 3 and all(line.endswith("unchanged") for line in same)
    # What the API server holds is what the folder holds, byte for byte.
    stored = {}
    for one in plane.get("configmaps", "-n", space, "-l",
                         "app.kubernetes.io/part-of=hello")["items"]:
        stored |= one.get("data", {}) | one.get("binaryData", {})
    assert stored["hello.py"] == (example / "src/hello.py").read_text(encoding="utf-8")
    assert stored["3.txt"] == "name 3\n" and stored["pkg.table.bin"].startswith("AAECAw")
    submitted = submit(cli, example)
    assert "unchanged" in submitted.stderr


def test_large_code_is_applied_as_an_archive(plane, cli, space, example, tmp_path):
    model = bytes(range(256)) * 16_000 + os.urandom(300_000)
    (example / "src/model.bin").write_bytes(model)
    out = tmp_path / "deploy"
    cli("convert", "-f", str(example / "job.yaml"), *WHERE, "--out", str(out), namespace="")
    plane.kubectl("apply", "-n", space, "-k", str(out))
    names = spec(plane, space)["task"]["code"]["archive"]["configMaps"]
    parts = [plane.get("configmap", name, "-n", space)["binaryData"]["part"] for name in names]
    archive = b"".join(base64.b64decode(part) for part in parts)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert sorted(tar.getnames()) == ["hello.py", "model.bin", "pkg/table.bin"]
        assert tar.extractfile("model.bin").read() == model
    assert "unchanged" in submit(cli, example).stderr


def test_the_same_input_gives_the_same_bytes(cli, example, tmp_path):
    convert = ("convert", "-f", "{}/job.yaml", *WHERE, "--out", "{}")
    other = tmp_path / "elsewhere/deeper/hello"
    shutil.copytree(example, other)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    folders = []
    for source, out in ((example, tmp_path / "a"), (other, tmp_path / "b")):
        cli(*(part.format(source if "job.yaml" in part else out) for part in convert),
            namespace="")
        folders.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert folders[0] == folders[1] and len(folders[0]) == 4
    # A changed script gives other names, and what is not needed any more goes.
    (other / "src/hello.py").write_text("def run(batch):\n    return []\n", encoding="utf-8")
    cli("convert", "-f", str(other / "job.yaml"), *WHERE, "--out", str(tmp_path / "b"),
        namespace="")
    changed = {path.name for path in (tmp_path / "b").iterdir()}
    assert len(changed) == 4 and len(changed & set(folders[0])) == 3
    (tmp_path / "b/kustomization.yaml").write_text("resources: []\n", encoding="utf-8")
    refused = cli("convert", "-f", str(other / "job.yaml"), *WHERE, "--out", str(tmp_path / "b"),
                  check=False, namespace="")
    assert refused.returncode == 3 and "kustomization.yaml" in refused.stderr


def test_which_cluster_is_said_as_to_kubectl(plane, cli, space):
    wrong = cli("status", "--context", "nowhere", check=False)
    assert wrong.returncode == 2 and "nowhere" in wrong.stderr
    named = cli("status", "--kubeconfig", str(plane.kubeconfig))
    assert "no jobs" in named.stderr
    missing = cli("status", "--kubeconfig", "/none/kubeconfig", check=False)
    assert missing.returncode in (2, 3) and "/none/kubeconfig" in missing.stderr


def checks(done):
    return {one["check"]: one for one in json.loads(done.stdout)["checks"]}


def test_doctor_finds_a_good_cluster_good(plane, operator, cli, space):
    done = cli("doctor", "-o", "json")
    found = checks(done)
    assert json.loads(done.stdout)["healthy"] is True, found
    assert {name: one["outcome"] for name, one in found.items()} == {
        "cluster": "ok", "definition": "ok", "operator": "ok", "permissions": "ok"}
    assert "v1.3" in found["cluster"]["message"] and "leads" in found["operator"]["message"]
    assert all(line.startswith("ok") for line in cli("doctor").stdout.splitlines())


def test_doctor_names_what_a_user_may_not_do(plane, operator, space, user_config):
    rules = [{"apiGroups": ["paralleljob.dev"], "resources": ["paralleljobs"],
              "verbs": ["get", "list"]}]
    plane.apply(*objects.role("reader", rules, "someone", space), namespace=space)
    done = plane.run(os.environ["PARALLELJOB"], "doctor", "-n", space, "-o", "json",
                     "--kubeconfig", str(user_config), check=False)
    found = checks(done)
    assert done.returncode == 3 and found["permissions"]["outcome"] == "bad"
    message = found["permissions"]["message"]
    assert "create paralleljobs (for submit)" in message and "get pods/proxy" in message
    assert "get paralleljobs" not in message
    assert found["definition"]["outcome"] == found["operator"]["outcome"] == "unsure"
    refused = plane.run(os.environ["PARALLELJOB"], "suspend", "x", "-n", space,
                        "--kubeconfig", str(user_config), check=False)
    assert refused.returncode == 2 and "x" in refused.stderr


@pytest.fixture
def user_config(plane, space, tmp_path):
    """A kubeconfig of the ServiceAccount `someone`, who has no rights of its own."""
    plane.kubectl("create", "serviceaccount", "someone", "-n", space)
    token = plane.kubectl("create", "token", "someone", "-n", space).stdout.strip()
    path = tmp_path / "user.kubeconfig"
    admin = json.loads(plane.kubectl("config", "view", "--raw", "-o", "json").stdout)
    admin["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(admin), encoding="utf-8")
    return path


def test_doctor_misses_what_is_not_there(control_plane, tmp_path, cli, plane, space):
    """No operator runs: its Lease is not renewed any more."""
    nobody = cli("doctor", "-o", "json", "--operator-namespace", space, check=False)
    found = checks(nobody)
    assert nobody.returncode == 3 and found["operator"]["outcome"] == "bad"
    assert "no operator runs" in found["operator"]["message"]
    page = (EXAMPLE.parents[1] / "docs/kubernetes.md").read_text(encoding="utf-8")
    for words in re.findall(r"--set \S+", found["operator"]["wayOut"]):
        assert words in page, words
    assert "--set workerImage.repository=" in found["operator"]["wayOut"]
    assert found["permissions"]["outcome"] == "ok"
    config = json.loads(plane.kubectl("config", "view", "--raw", "-o", "json").stdout)
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    path = tmp_path / "broken.kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    broken = cli("doctor", "-o", "json", "--kubeconfig", str(path), check=False)
    assert broken.returncode == 3
    assert checks(broken)["cluster"]["outcome"] == "bad" and len(checks(broken)) == 1


def waiting_for(plane, space, example, name):
    """`submit --wait`, of a job that nobody reconciles, once the job is there."""
    running = plane.popen(os.environ["PARALLELJOB"], "submit", "-f",
                          str(example / "job.yaml"), "--wait", "-o", "json", "-n", space,
                          "--image", f"{name}=python:3.11", *WHERE[2:],
                          "--set", f"metadata.name={name}", "--set",
                          "spec.managedBy=test.paralleljob.dev/nobody")
    wait("the job", lambda: plane.kubectl("get", "paralleljob", name, "-n", space,
                                          check=False).returncode == 0)
    return running


def test_waiting_for_a_job_that_is_deleted_ends(plane, space, example):
    running = waiting_for(plane, space, example, "deleted")
    plane.kubectl("delete", "paralleljob", "deleted", "-n", space)
    assert running.wait(30) == 3
    shown = json.loads(running.stdout.read())
    assert shown["state"] == "Unfinished" and shown["submitted"] == "created", shown
    assert shown["job"] == "deleted" and shown["namespace"] == space and shown["errors"], shown


def test_waiting_ends_with_the_job(plane, cli, space, example):
    """What an operator would write is written by hand."""
    def ended(kind, code):
        running = waiting_for(plane, space, example, kind.lower())
        condition = {"type": kind, "status": "True", "reason": f"Is{kind}", "message": "m",
                     "lastTransitionTime": "2026-01-01T00:00:00Z"}
        plane.kubectl("patch", "paralleljob", kind.lower(), "-n", space, "--subresource=status",
                      "--type=merge", "-p",
                      json.dumps({"status": {"state": kind, "conditions": [condition]}}))
        assert running.wait(30) == code
        shown = json.loads(running.stdout.read())
        assert shown["state"] == kind and shown["reason"] == f"Is{kind}"

    ended("Complete", 0)
    ended("Failed", 1)
    ended("Stalled", 3)


def test_kubectl_knows_it_as_a_plugin(plane, space):
    folder = pathlib.Path(os.environ["PARALLELJOB"]).parent
    path = f"PATH={folder}:{plane.environment()['PATH']}"
    listed = plane.run("env", path, "kubectl", "parallel", "status", "-n", space, "-o", "json")
    assert json.loads(listed.stdout) == {"namespace": space, "jobs": []}
    usage = plane.run("env", path, "kubectl", "parallel", "submit", "--help").stdout
    assert "Usage: kubectl parallel submit" in usage and "Example: " in usage
