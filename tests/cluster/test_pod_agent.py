"""Agents of worker pods on a real control plane, with the operator beside it; no nodes.

The agents are processes that get what a kubelet would give them (pod_process.py)."""

import json
import os
import pathlib
import shutil
import signal
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
    agents = [pods.start("hello", ordinal) for ordinal in (0, 1)]
    assert [agent.wait() for agent in agents] == [0, 0]
    wait_for(plane, space, "hello", "Complete")
    rows = (pods.claims["shared"] / "out/greetings.txt").read_bytes()
    assert rows == local_rows("hello", "names", "greetings.txt")
    shown = status(plane, space, "hello")
    assert shown["progress"] == "100%"
    assert shown["outputs"] == {"greetings": "/paralleljob/outputs/greetings/greetings.txt"}
