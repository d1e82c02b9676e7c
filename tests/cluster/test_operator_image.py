"""The chart with the operator's image on real nodes: installed by helm, ready, and at work."""

import enclosure
import objects
import operator_process
import pytest

CHART = "charts/paralleljob"
NAMESPACE = "operator-pod"


@pytest.fixture(scope="module")
def installed(cluster, operator_image, pytestconfig):
    """A release that helm calls ready; gone afterwards, the definition too."""
    cluster.load(operator_image.archive)
    cluster.apply(objects.namespace(NAMESPACE))
    cluster.run("helm", "install", "pj", pytestconfig.rootpath / CHART,
                f"--namespace={NAMESPACE}", "--take-ownership", "--wait", "--timeout=90s",
                "--set=image.pullPolicy=Never,operator.imagePullPolicy=Never")
    yield "pj-operator"
    cluster.run("helm", "uninstall", "pj", f"--namespace={NAMESPACE}", "--wait", check=False)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def operator_pod(cluster):
    (pod,) = cluster.get("pods", "-n", NAMESPACE,
                         "--selector=app.kubernetes.io/name=paralleljob-operator")["items"]
    return pod


def read(cluster, path):
    pod = operator_pod(cluster)["metadata"]["name"]
    return cluster.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy{path}").stdout


def test_it_runs_from_its_image_and_is_ready(cluster, installed, operator_image):
    pod = operator_pod(cluster)
    (container,) = pod["spec"]["containers"]
    assert container["image"] == operator_image.name
    assert container["imagePullPolicy"] == "Never" and "command" not in container
    assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume]
    (status,) = pod["status"]["containerStatuses"]
    assert status["ready"] and status["restartCount"] == 0
    assert read(cluster, "/readyz") == "ok\n"
    assert "paralleljob_" in read(cluster, "/metrics")


def test_it_makes_a_job_of_a_paralleljob(cluster, installed):
    cluster.apply(operator_process.job("score"), namespace=NAMESPACE)

    def made():
        return cluster.get("jobs", "-n", NAMESPACE, "--selector=paralleljob.dev/job=score")["items"]

    (job,) = enclosure.wait_until("the Job", 30, made)
    assert job["spec"]["completions"] == 2
    enclosure.wait_until("a status", 30, lambda: cluster.get(
        "paralleljob", "score", "-n", NAMESPACE).get("status", {}).get("conditions"))
    cluster.kubectl("delete", "-n", NAMESPACE, "paralleljob/score", "--timeout=60s")
    enclosure.wait_until("no Job", 60, lambda: not made())


def test_helm_test_passes(cluster, installed):
    done = cluster.run("helm", "test", "pj", f"--namespace={NAMESPACE}", "--logs",
                       "--timeout=60s")
    assert "Phase:          Succeeded" in done.stdout
    assert "ok    may create jobs.batch" in done.stdout and "FAIL" not in done.stdout
