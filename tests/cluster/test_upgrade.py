"""helm upgrades, rolls back and uninstalls the chart; a job that runs meanwhile sees none of it."""

import json
import pathlib

import cluster_demo
import enclosure
import pod_jobs
import pytest

pytestmark = pytest.mark.turn(11)
CHART = pathlib.Path(__file__).resolve().parents[2] / "charts/paralleljob"
NEXT = "0.1.1"  # the same images under the name of another version
CHANGED = ("operator.logLevel=debug,operator.agentMemory=80Mi,operator.tolerationSeconds=20,"
           f"resources.requests.memory=48Mi,image.tag={NEXT},workerImage.tag={NEXT}")
DEFINITION = "customresourcedefinition.apiextensions.k8s.io/paralleljobs.paralleljob.dev"
# What Kubernetes puts into each namespace, and the lead that was given up.
LEFT_IN_THE_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default",
                         "lease.coordination.k8s.io/paralleljob-operator"}
FILES = 40
SCRIPT = pod_jobs.gated("020")
EXPECTED = "".join(f"{number:03d}\n" for number in range(FILES)).encode()


@pytest.fixture(scope="module")
def space(cluster, installed_chart, tmp_path_factory):
    source = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        (source / f"{number:03d}").touch()
    space = pod_jobs.Space(cluster, "upgraded", tmp_path_factory.mktemp("volume") / "data")
    space.add_data(source, "in")
    yield space
    space.end()


class Release:
    """The release of the chart that all tests share."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace = cluster, namespace

    def helm(self, command, *arguments):
        return self.cluster.run("helm", command, "pj", *arguments, f"--namespace={self.namespace}",
                                "--wait", "--timeout=120s", seconds=180)

    def operator(self):
        """Id, arguments, resources and image of the operator's pod, once there is only one."""
        def only():
            pods = self.cluster.get(
                "pods", f"--namespace={self.namespace}",
                "--selector=app.kubernetes.io/name=paralleljob-operator")["items"]
            return pods[0] if len(pods) == 1 else None

        pod = enclosure.wait_until("one operator", 60, only)
        (container,) = pod["spec"]["containers"]
        return (pod["metadata"]["uid"], container["args"], container["resources"],
                container["image"])

    def revision(self):
        listed = self.cluster.run("helm", "history", "pj", f"--namespace={self.namespace}",
                                  "--output=json").stdout
        return json.loads(listed)[-1]["revision"]

    def found(self, *where):
        """Objects of all kinds but events, as kind/name."""
        namespaced = ["--namespaced"] if where[0].startswith("--namespace=") else []
        kinds = self.cluster.kubectl("api-resources", "--verbs=list", "--output=name",
                                     *namespaced).stdout
        kinds = [kind for kind in kinds.split() if kind.partition(".")[0] != "events"]
        return set(self.cluster.kubectl("get", ",".join(kinds), *where, "--output=name",
                                        "--ignore-not-found").stdout.split())


def workers(job):
    """Worker pod → its id and how often its containers were started again."""
    return {pod["metadata"]["name"]: (pod["metadata"]["uid"], [
        status["restartCount"] for kind in ("containerStatuses", "initContainerStatuses")
        for status in pod["status"][kind]]) for pod in job.pods()}


@pytest.fixture(scope="module")
def next_version(cluster, installed_chart, operator_image, worker_image):
    """The names that the images have under the next tag; all nodes know them."""
    names = {}
    for built in (operator_image, worker_image):
        names[built.name] = f"{built.name.rpartition(':')[0]}:{NEXT}"
        for node in cluster.nodes():
            node.tag(built.name, names[built.name])
    return names


def test_a_running_job_outlives_upgrade_and_rollback(cluster, installed_chart, space, user_image,
                                                     next_version, operator_image, worker_image):
    release = Release(cluster, installed_chart)
    job = space.apply(space.small_job("gated", SCRIPT, user_image("3.11"),
                                      retrySettings={"timeoutSeconds": 600}))
    # Some that need no gate may wait in a slot behind one that does.
    job.wait_for("most of what the gate lets through", lambda status:
                 status.get("miniBatches", {}).get("succeeded", 0) >= FILES // 4)
    pods, first = workers(job), release.operator()
    assert len(pods) == 2
    revision = release.revision()
    release.helm("upgrade", CHART, "--reuse-values", f"--set={CHANGED}")
    second = release.operator()
    assert second[0] != first[0] and "--log-level=debug" in second[1]
    assert second[2]["requests"]["memory"] == "48Mi"
    assert (first[3], second[3]) == (operator_image.name, next_version[operator_image.name])
    assert f"--worker-image={next_version[worker_image.name]}" in second[1]
    assert workers(job) == pods
    release.helm("rollback", str(revision))
    third = release.operator()
    assert third[0] not in (first[0], second[0]) and third[1:] == first[1:]
    assert workers(job) == pods
    assert job.status()["miniBatches"]["left"] >= FILES // 2
    (space.folder / "gated/gate").touch()
    status = job.wait_until_complete()
    assert job.rows() == EXPECTED
    assert status["items"] == {"total": FILES, "succeeded": FILES, "failed": 0}
    assert status["retries"] == status["infrastructureLosses"] == 0


def test_uninstall_leaves_the_definition_and_the_jobs(cluster, installed_chart, space):
    release = Release(cluster, installed_chart)
    selector = ("--all-namespaces", "--selector=app.kubernetes.io/instance=pj")
    assert "deployment.apps/pj-operator" in release.found(*selector)
    jobs = release.found(f"--namespace={space.name}", f"--selector={pod_jobs.LABEL}=gated")
    cluster.kubectl("delete", "pod", "--selector=app.kubernetes.io/instance=pj", "--field-selector="
                    "status.phase=Succeeded", f"--namespace={installed_chart}")  # of `helm test`
    release.helm("uninstall")
    try:
        enclosure.wait_until("the rest to go", 60,
                             lambda: release.found(*selector) <= {DEFINITION})  # crds.keep
        assert cluster.get(DEFINITION)
        assert release.found(f"--namespace={installed_chart}") <= LEFT_IN_THE_NAMESPACE
        gated = pod_jobs.Job(space, "gated")
        assert gated.status()["state"] == "Complete" and gated.rows() == EXPECTED
        assert release.found(f"--namespace={space.name}",
                             f"--selector={pod_jobs.LABEL}=gated") == jobs
    finally:
        cluster_demo.install_chart(cluster)
