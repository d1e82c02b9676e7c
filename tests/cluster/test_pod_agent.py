"""Agents of worker pods on a real control plane, with the operator beside it; no nodes.

The agents are processes that get what a kubelet would give them (pod_process.py)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import enclosure
import objects
import operator_process
import pod_process

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
PORT = 18090


@pytest.fixture(scope="module")
def plane(crd):
    return crd


@pytest.fixture
def operator(plane):
    with operator_process.Operator(plane, PORT) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def space(plane, request):
    """A fresh namespace; gone afterwards."""
    name = request.node.name.replace("_", "-")[:40].strip("-")
    plane.apply(objects.namespace(name))
    plane.apply(objects.unbound_claim(), namespace=name)
    enclosure.wait_until("the namespace's authority", 30, lambda: plane.kubectl(
        "get", "configmap", "kube-root-ca.crt", "-n", name, check=False).returncode == 0)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def pods(plane, space, tmp_path):
    (tmp_path / "claim").mkdir()
    with pod_process.Pods(plane, space, tmp_path / "pods", {"shared": tmp_path / "claim"}) as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A function: example → its folder with data, made once."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("data") / name
            subprocess.run([sys.executable, str(EXAMPLES / name / "make_data.py"),
                            str(made[name])], check=True)
        return made[name]

    return make


@pytest.fixture(scope="module")
def local_rows(data, tmp_path_factory):
    """A function: (example, input, file) → the bytes that a local run appends."""
    def run(name, given, file):
        out = tmp_path_factory.mktemp("local") / name
        program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / "cli/paralleljob"
        subprocess.run([str(program), "run", "-f", str(EXAMPLES / name / "job.yaml"), "--input",
                        f"{given}={data(name)}", "--output", str(out), "--quiet"], check=True,
                       env=os.environ | {"PARALLELJOB_PYTHON": sys.executable})
        return next(out.glob(f"outputs/*/{file}")).read_bytes()

    return run


def volume(path):
    return {"path": path, "volume": {"persistentVolumeClaim": {"claimName": "shared"}}}


def code_map(*files):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"},
            "data": {pathlib.Path(file).name: pathlib.Path(file).read_text(encoding="utf-8")
                     for file in files}}


def hello(**spec):
    return {"apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
            "metadata": {"name": "hello"},
            "spec": {
                "inputs": [{"name": "names", "type": "uri_folder"} | volume("names")],
                "outputs": [{"name": "greetings", "type": "uri_file"}
                            | volume("out/greetings.txt")],
                "inputData": "${{inputs.names}}", "miniBatchSize": 2, "instanceCount": 2,
                "maxConcurrencyPerInstance": 1,
                "task": {"code": {"configMap": {"name": "code"}}, "entryScript": "hello.py",
                         "environment": {"image": "python:3.11"},
                         "appendRowTo": "${{outputs.greetings}}"}} | spec}


def status(plane, space, job):
    return plane.get("paralleljob", job, "-n", space).get("status", {})


def condition(plane, space, job, kind):
    for each in status(plane, space, job).get("conditions", []):
        if each["type"] == kind:
            return each
    return {}


def is_true(plane, space, job, kind):
    return condition(plane, space, job, kind).get("status") == "True"


def wait_for(plane, space, job, kind, seconds=60):
    try:
        enclosure.wait_until(f"{job} {kind}", seconds, lambda: is_true(plane, space, job, kind))
    except TimeoutError:
        pytest.fail(f"{job} is not {kind}: {json.dumps(status(plane, space, job), indent=1)}")


def apply_hello(plane, space, pods, data, script=None, **spec):
    shutil.copytree(data("hello"), pods.claims["shared"] / "names")
    plane.apply(code_map(script or EXAMPLES / "hello/src/hello.py"), hello(**spec),
                namespace=space)


def test_hello_is_what_a_local_run_gives(plane, operator, space, pods, data, local_rows):
    apply_hello(plane, space, pods, data)
    agents = pods.start_all("hello")
    assert [agent.wait() for agent in agents] == [0, 0]
    wait_for(plane, space, "hello", "Complete")
    rows = (pods.claims["shared"] / "out/greetings.txt").read_bytes()
    assert rows == local_rows("hello", "names", "greetings.txt")
    shown = status(plane, space, "hello")
    assert shown["progress"] == "100%"
    assert shown["outputs"] == {"greetings": "/paralleljob/outputs/greetings/greetings.txt"}


def test_iris_is_what_a_local_run_gives_though_an_agent_dies(plane, operator, space, pods, data,
                                                              local_rows):
    shutil.copytree(data("iris"), pods.claims["shared"] / "data")
    shutil.copytree(EXAMPLES / "iris/model", pods.claims["shared"] / "model")
    iris = hello(inputs=[{"name": "flowers", "type": "mltable", "mode": "direct"} | volume("data"),
                         {"name": "model", "type": "uri_folder"} | volume("model")],
                 outputs=[{"name": "scored", "type": "uri_file"} | volume("out/scored.csv")],
                 inputData="${{inputs.flowers}}", miniBatchSize="10kb",
                 maxConcurrencyPerInstance=2,
                 task={"code": {"configMap": {"name": "code"}}, "entryScript": "score.py",
                       "environment": {"image": "python:3.11"},
                       "programArguments": "--model ${{inputs.model}}",
                       "appendRowTo": "${{outputs.scored}}"})
    iris["metadata"]["name"] = "iris"
    plane.apply(code_map(EXAMPLES / "iris/src/score.py"), iris, namespace=space)
    agents = pods.start_all("iris")
    enclosure.wait_until("slots at work", 60, lambda: list(
        pods.work("iris").glob("logs/user/stdout/instance-1/*")))
    agents[1].kill()
    agents[1].start()
    assert [agent.wait(120) for agent in agents] == [0, 0]
    wait_for(plane, space, "iris", "Complete")
    rows = (pods.claims["shared"] / "out/scored.csv").read_bytes()
    assert rows == local_rows("iris", "flowers", "scored.csv")


# Mini-batch 0 waits for the file `gate` beside the appended one; each call leaves its mark.
GATED = """\
import os, pathlib, threading

def init():
    global folder
    folder = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"])

def run(mini_batch):
    if any(path.endswith("/0.txt") for path in mini_batch):
        (folder / "waiting").touch()
        while not (folder / "gate").exists():
            threading.Event().wait(0.01)
    return [pathlib.Path(path).read_text() for path in mini_batch]
"""
EXPECTED = b"".join(b"row %d\n" % number for number in range(8))


def apply_gated(plane, space, pods, script=GATED, **spec):
    """A job of eight mini-batches whose first hangs until its gate opens; the outputs' folder."""
    names = pods.claims["shared"] / "names"
    names.mkdir()
    for number in range(8):
        (names / f"{number}.txt").write_text(f"row {number}", encoding="utf-8")
    file = pods.folder / "hello.py"
    file.parent.mkdir()
    file.write_text(script, encoding="utf-8")
    plane.apply(code_map(file), hello(miniBatchSize=1, **spec), namespace=space)
    out = pods.claims["shared"] / "out"
    out.mkdir()
    return out


def wait_for_file(path, seconds=60):
    enclosure.wait_until(str(path), seconds, path.exists)


def committed(plane, space):
    return status(plane, space, "hello").get("miniBatches", {}).get("succeeded", 0)


def test_a_job_ends_without_its_operator_and_with_an_agent_killed(plane, space, pods):
    with operator_process.Operator(plane, PORT) as operator:
        operator.wait_until_ready()
        out = apply_gated(plane, space, pods)
        agents = pods.start_all("hello")
        wait_for_file(out / "waiting")
    agents[0].kill()
    (out / "waiting").unlink()
    agents[0].start()  # as its supervisor would
    wait_for_file(out / "waiting")
    (out / "gate").touch()
    assert [agent.wait() for agent in agents] == [0, 0]
    assert (out / "greetings.txt").read_bytes() == EXPECTED
    with operator_process.Operator(plane, PORT):
        wait_for(plane, space, "hello", "Complete")


def test_a_dead_agents_work_is_done_by_another(plane, operator, space, pods):
    out = apply_gated(plane, space, pods)
    first, second = pods.start_all("hello")
    wait_for_file(out / "waiting")
    first.kill()
    (out / "gate").touch()
    assert second.wait() == 0
    assert (out / "greetings.txt").read_bytes() == EXPECTED
    assert first.start().wait() == 0  # it only reads how the job ended
    wait_for(plane, space, "hello", "Complete")


def test_another_plans_when_the_first_pod_never_comes(plane, operator, space, pods):
    out = apply_gated(plane, space, pods)
    (out / "gate").touch()
    agent = pods.start("hello", 1)
    assert agent.wait() == 0
    assert "planned 8 mini-batches" in agent.text()
    assert (out / "greetings.txt").read_bytes() == EXPECTED


def test_empty_input_fails_the_job_with_its_reason(plane, operator, space, pods):
    (pods.claims["shared"] / "names").mkdir()
    plane.apply(code_map(EXAMPLES / "hello/src/hello.py"), hello(), namespace=space)
    agents = pods.start_all("hello")
    assert [agent.wait() for agent in agents] == [0, 0]
    wait_for(plane, space, "hello", "Failed")
    assert condition(plane, space, "hello", "Failed")["reason"] == "EmptyInput"
    assert is_true(plane, space, "hello", "Stalled")
    assert "EmptyInput" in (pods.work("hello") / "logs/job_result.txt").read_text("utf-8")


def test_a_script_that_cannot_start_fails_the_job_with_its_reason(plane, operator, space, pods):
    apply_gated(plane, space, pods, "import nothing_of_that_name\ndef run(mini_batch): pass\n")
    agents = pods.start_all("hello")
    assert [agent.wait() for agent in agents] == [0, 0]
    wait_for(plane, space, "hello", "Failed")
    failed = condition(plane, space, "hello", "Failed")
    assert failed["reason"] == "EntryScriptFailed"
    assert "nothing_of_that_name" in failed["message"]


def test_suspend_drains_and_resume_goes_on(plane, operator, space, pods):
    out = apply_gated(plane, space, pods)
    agents = pods.start_all("hello")
    wait_for_file(out / "waiting")
    plane.kubectl("patch", "paralleljob", "hello", "-n", space, "--type=merge",
                  '--patch={"spec": {"suspend": true}}')
    enclosure.wait_until("a drain", 30, lambda: "told to drain" in agents[0].text())
    (out / "gate").touch()  # the running call ends well, and is committed
    wait_for(plane, space, "hello", "Suspended")
    for agent in agents:
        assert agent.stop() == 42
    done = committed(plane, space)
    assert 0 < done <= 8
    plane.kubectl("patch", "paralleljob", "hello", "-n", space, "--type=merge",
                  '--patch={"spec": {"suspend": false}}')
    agents = pods.start_all("hello")
    assert [agent.wait() for agent in agents] == [0, 0]
    wait_for(plane, space, "hello", "Complete")
    assert (out / "greetings.txt").read_bytes() == EXPECTED


def test_the_finaliser_ends_a_job_without_agents(plane, operator, space, pods):
    out = apply_gated(plane, space, pods)
    agents = pods.start_all("hello")
    wait_for_file(out / "waiting")
    enclosure.wait_until("commits", 60, lambda: committed(plane, space) > 0)
    for agent in agents:
        agent.kill()
        agent.wait()
    plane.kubectl("patch", "paralleljob", "hello", "-n", space, "--type=merge",
                  '--patch={"spec": {"instanceCount": 0, "activeDeadlineSeconds": 1}}')
    finaliser = pods.start("hello", 0, "finaliser")
    assert finaliser.wait() == 0
    wait_for(plane, space, "hello", "Failed")
    assert condition(plane, space, "hello", "Failed")["reason"] == "DeadlineExceeded"
    rows = (out / "greetings.txt.partial").read_bytes()
    assert set(rows.splitlines()) < set(EXPECTED.splitlines())
    assert len(rows.splitlines()) == status(plane, space, "hello")["miniBatches"]["succeeded"]
