"""The chart with the operator's image on real nodes: installed by helm, ready, and at work."""

import enclosure
import objects
import operator_process
import pytest


@pytest.fixture(scope="module")
def space(cluster, installed_chart):
    """A namespace for jobs; gone afterwards."""
    name = "operator-pod"
    cluster.apply(objects.namespace(name))
    cluster.apply(objects.unbound_claim(), namespace=name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def operator_pod(cluster, namespace):
    (pod,) = cluster.get("pods", "-n", namespace,
                         "--selector=app.kubernetes.io/name=paralleljob-operator")["items"]
    return pod


def read(cluster, namespace, path):
    pod = operator_pod(cluster, namespace)["metadata"]["name"]
    return cluster.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy{path}").stdout


def test_it_runs_from_its_image_and_is_ready(cluster, installed_chart, operator_image):
    pod = operator_pod(cluster, installed_chart)
    (container,) = pod["spec"]["containers"]
    assert container["image"] == operator_image.name
    assert container["imagePullPolicy"] == "Never" and "command" not in container
    assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume]
    (status,) = pod["status"]["containerStatuses"]
    assert status["ready"] and status["restartCount"] == 0
    assert read(cluster, installed_chart, "/readyz") == "ok\n"
    assert "paralleljob_" in read(cluster, installed_chart, "/metrics")


def test_it_makes_a_job_of_a_paralleljob(cluster, space):
    cluster.apply(operator_process.job("score"), namespace=space)

    def made():
        return cluster.get("jobs", "-n", space, "--selector=paralleljob.dev/job=score")["items"]

    (job,) = enclosure.wait_until("the Job", 30, made)
    assert job["spec"]["completions"] == 2
    enclosure.wait_until("a status", 30, lambda: cluster.get(
        "paralleljob", "score", "-n", space).get("status", {}).get("conditions"))
    cluster.kubectl("delete", "-n", space, "paralleljob/score", "--timeout=60s")
    enclosure.wait_until("no Job", 60, lambda: not made())


def test_helm_test_passes(cluster, installed_chart):
    done = cluster.run("helm", "test", "pj", f"--namespace={installed_chart}", "--logs",
                       "--timeout=60s")
    assert "Phase:          Succeeded" in done.stdout
    assert "ok    may create jobs.batch" in done.stdout and "FAIL" not in done.stdout
