"""Whole jobs in pods made from our images: slots in users' images, and what befalls them there."""

import json
import os
import pathlib
import re
import signal

import enclosure
import images
import objects
import operator_process
import pytest

NAMESPACE = CLAIM = "user-container"
FILES = 60
# Told to, it stays the first time in the middle, and leaves a mark when it does.
SCRIPT = """
import os, signal, sys

def init():
    print("hello from", os.environ["FROM_MANIFEST"])

def run(mini_batch):
    mark = "/paralleljob/outputs/rows/running"
    if {stays} and mini_batch[0].endswith("030.txt") and not os.path.exists(mark):
        open(mark, "w").close()
        signal.pause()
    return ["%s %d.%d" % (os.path.basename(path), *sys.version_info[:2]) for path in mini_batch]
"""


@pytest.fixture(scope="session")
def shared(cluster, tmp_path_factory):
    """The folder behind the claim `shared`, which all pods may write."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "in").mkdir()
    for number in range(FILES):
        (folder / "in" / f"{number:03}.txt").write_text("data")
    for path in (folder, folder / "in"):
        path.chmod(0o777)
    for above in folder.parents:
        above.chmod(above.stat().st_mode | 0o011)
    return folder


@pytest.fixture(scope="session")
def space(cluster, installed_chart, shared):
    """A namespace under Pod Security *restricted* with a volume."""
    cluster.apply(objects.namespace(NAMESPACE))
    volume, claim = objects.shared_volume(CLAIM, shared, NAMESPACE)
    cluster.apply(volume, claim, namespace=NAMESPACE)
    yield NAMESPACE
    cluster.kubectl("delete", "paralleljobs", "--all", "-n", NAMESPACE, "--timeout=60s",
                    check=False)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    cluster.kubectl("delete", "persistentvolume", CLAIM, "--wait=false")


def apply(cluster, name, image, stays=False, **spec):
    code = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-code"},
            "data": {"score.py": SCRIPT.format(stays=stays)}}
    cluster.apply(code, namespace=NAMESPACE)
    job = operator_process.job(name, **spec)
    job["spec"]["task"] |= {"code": {"configMap": {"name": f"{name}-code"}},
                            "environment": {"image": image}}
    job["spec"]["outputs"][0]["path"] = f"{name}/rows.txt"
    for data in job["spec"]["inputs"] + job["spec"]["outputs"]:
        data["volume"] = {"persistentVolumeClaim": {"claimName": CLAIM}}
    job["spec"]["miniBatchSize"] = 1
    job["spec"]["maxConcurrencyPerInstance"] = 2
    job["spec"]["retrySettings"] = {"timeoutSeconds": 600}  # one stays until it is killed
    job["spec"]["environmentVariables"] = {"FROM_MANIFEST": name}
    cluster.apply(job, namespace=NAMESPACE)


def wait_for(cluster, name, condition="Complete"):
    def over():
        status = cluster.get("paralleljob", name, "-n", NAMESPACE).get("status", {})
        true = {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}
        assert not true & ({"Complete", "Failed"} - {condition}), json.dumps(status, indent=1)
        return condition in true

    enclosure.wait_until(f"{name}: {condition}", 120, over)


def rows(shared, name):
    return (shared / name / "rows.txt").read_text(encoding="utf-8").splitlines()


def expected(python):
    return [f"{number:03}.txt {python}" for number in range(FILES)]


def name_of(python):
    return f"python-{python.replace('.', '-')}"


@pytest.fixture(scope="session")
def applied(cluster, space, shared, user_image, aside):
    """All jobs of this file, side by side; the future of what befell one of them."""
    given = {python: user_image(python) for python in images.PYTHONS}
    apply(cluster, "killed", given["3.11"], stays=True, instances=1)
    for python, image in given.items():
        apply(cluster, name_of(python), image)
    return aside(lose_a_user_container, cluster, shared)


def pod_of(cluster, name):
    """Its only pod, when its agent runs."""
    def running():
        for pod in cluster.get("pods", "-n", NAMESPACE,
                               f"--selector=paralleljob.dev/job={name}")["items"]:
            if pod["status"].get("phase") == "Running":
                return pod
        return None

    return enclosure.wait_until(f"a running pod of {name}", 60, running)


@pytest.mark.turn(2)
def test_they_begin(cluster, applied):
    """Others are tested while they run."""
    assert not applied.done()
    pod_of(cluster, "killed")


@pytest.mark.parametrize("python", list(images.PYTHONS))
def test_a_job_runs_in_a_users_image(cluster, applied, shared, python):
    wait_for(cluster, name_of(python))
    assert rows(shared, name_of(python)) == expected(python)


def restarts(pod):
    return {status["name"]: status["restartCount"]
            for kind in ("containerStatuses", "initContainerStatuses")
            for status in pod["status"].get(kind, [])}


def kill_first_process(pod, container):
    """As the kernel does when memory is short; from inside nothing can kill a PID 1."""
    (identity,) = [status["containerID"].rpartition("/")[2]
                   for status in pod["status"]["initContainerStatuses"]
                   if status["name"] == container]
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            inside = identity in (folder / "cgroup").read_text(encoding="utf-8")
            numbers = re.search(r"^NSpid:\t(.*)$", (folder / "status").read_text(), re.MULTILINE)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if inside and numbers and numbers.group(1).split()[-1] == "1":
            os.kill(int(folder.name), signal.SIGKILL)
            return
    raise AssertionError(f"{container} has no first process")


def lose_a_user_container(cluster, shared):
    """How often the containers of the pod were started again, at the end of the job."""
    pod = pod_of(cluster, "killed")["metadata"]["name"]
    enclosure.wait_until("a mini-batch that stays", 60,
                         (shared / "killed" / "running").exists)
    kill_first_process(cluster.get("pod", pod, "-n", NAMESPACE), "user")
    wait_for(cluster, "killed")
    return restarts(cluster.get("pod", pod, "-n", NAMESPACE))


def test_a_user_container_that_dies_charges_nobody(applied, shared):
    counted = applied.result()
    assert rows(shared, "killed") == expected("3.11")
    assert counted["user"] == 1 and counted["agent"] == 0
