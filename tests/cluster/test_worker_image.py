"""The worker's image in pods: what it installs starts in users' images, and nothing else does."""

import json

import images
import objects
import pytest

pytestmark = pytest.mark.turn(8)
RUNTIME = "/paralleljob/runtime"
LOOK = """
import json, subprocess, sys
sys.path.insert(0, "/paralleljob/runtime/python")
from paralleljob import transport, zygote
import azureml_user.parallel_run
host = subprocess.run(["/paralleljob/runtime/bin/paralleljob-host", "--help"], check=False,
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
try:
    open("/paralleljob/runtime/python/paralleljob/slot.py", "ab")
    writable = True
except OSError:
    writable = False
print(json.dumps({"python": list(sys.version_info[:2]), "transport": transport.name(),
                  "host": [host.returncode, host.stderr.decode().split()[:2]],
                  "writable": writable}))
"""


@pytest.fixture(scope="module")
def installer(cluster, builder, worker_image):
    cluster.load_built(builder, worker_image.identity, worker_image.name)
    return worker_image.name


def pod_that_looks(installer, image):
    """As the operator makes them: our image installs, the user's has what it gave, read-only."""
    spec = objects.pod_spec(image, "", container_fields={"command": ["python3", "-c", LOOK]})
    spec["volumes"] = [{"name": "runtime", "emptyDir": {}}]
    mount = {"name": "runtime", "mountPath": RUNTIME}
    spec["containers"][0]["volumeMounts"] = [mount | {"readOnly": True}]
    install = objects.container(installer, "", name="install", volumeMounts=[mount])
    install["command"] = ["/usr/local/bin/paralleljob-worker", "install", RUNTIME]
    spec["initContainers"] = [install]
    return spec


@pytest.fixture(scope="module")
def looks(cluster, installer, user_image):
    """The namespace of a Job for each Python, side by side."""
    name = "looks"
    jobs = [objects.indexed_job(name_of(python), 1, pod_that_looks(installer, user_image(python)))
            for python in images.PYTHONS]
    cluster.apply(objects.namespace(name))
    cluster.apply(*jobs, namespace=name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def name_of(python):
    return f"look-{python.replace('.', '-')}"


@pytest.mark.parametrize("python", list(images.PYTHONS))
def test_what_it_installs_starts_in_users_images(cluster, looks, python):
    job = name_of(python)
    cluster.kubectl("wait", "-n", looks, f"job/{job}", "--for=condition=Complete",
                    "--timeout=60s")
    seen = json.loads(cluster.kubectl("logs", "-n", looks, f"--selector=job-name={job}",
                                      "--container=main").stdout)
    assert seen["python"] == [int(part) for part in python.split(".")]
    # The module is made for the Python of the image's base; others speak in pure Python.
    assert seen["transport"] == ("native" if python == "3.11" else "pure")
    assert seen["host"] == [2, ["usage:", "paralleljob-host"]]
    assert not seen["writable"]
