"""Losing a node, as when its plug is pulled: what Kubernetes does then, and what jobs do."""

import json
import time

import enclosure
import objects
import pod_jobs
import pytest

pytestmark = pytest.mark.turn(10)
NODES = ("node-1", "node-2")
FILES = 200
SCRIPT = pod_jobs.gated("00100")
NEVER = """\
import signal
def run(mini_batch):
    signal.pause()
"""
EXPECTED = "".join(f"{number:05d}\n" for number in range(FILES)).encode()
# As a cluster that gives nodes up at once; Kubernetes' default is five minutes.
AT_ONCE = [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}]


def test_no_node_clears_away_the_logs_of_another(cluster):
    folders = set()
    for node in NODES:
        answer = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz").stdout
        folders.add(json.loads(answer)["kubeletconfig"]["podLogsDir"])
    assert len(folders) == 2


@pytest.fixture(scope="module")
def space(cluster, installed_chart, tmp_path_factory):
    source = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        (source / f"{number:05d}").touch()
    space = pod_jobs.Space(cluster, "outage", tmp_path_factory.mktemp("volume") / "data")
    space.add_data(source, "in")
    yield space
    space.end()


def apart(name):
    """A pod template: one pod on each node."""
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname",
         "labelSelector": {"matchLabels": {pod_jobs.LABEL: name}}}]}}}


def pod_on(job, node):
    return next((pod for pod in job.pods() if pod["spec"].get("nodeName") == node
                 and pod["status"]["phase"] == "Running"), None)


class Outage:
    """A node that was lost while a pod and three jobs ran on it."""

    def __init__(self, space, images, operators, aside):
        """`images`: a shell's and a user's. `operators`: the namespace of the operator, which
        stays on the other node."""
        toolbox, image = images
        self.space, self.cluster = space, space.cluster
        pods = self.cluster.get("pods", f"--namespace={operators}",
                                "--selector=app.kubernetes.io/name=paralleljob-operator")["items"]
        (home,) = {pod["spec"]["nodeName"] for pod in pods}
        (self.name,) = set(NODES) - {home}
        victim = objects.pod_spec(toolbox, "sleep 600", nodeName=self.name, tolerations=AT_ONCE)
        self.cluster.apply(objects.pod("victim", victim), namespace=space.name)
        self.counts, self.stuck, self.gone_first = (
            space.apply(space.small_job(name, script, image, podTemplate=apart(name),
                                        retrySettings={"timeoutSeconds": 600}))
            for name, script in (("counts", SCRIPT), ("stuck", NEVER), ("gone-first", NEVER)))
        self.kubectl("wait", "pod/victim", "--for=condition=Ready", "--timeout=60s")
        for job in (self.counts, self.stuck, self.gone_first):
            for node in NODES:
                job.wait_for(f"a pod on {node}", lambda _, job=job, node=node: pod_on(job, node))
        # Some that need no gate may wait in a slot behind one that does.
        self.counts.wait_for("most of what the gate lets through", lambda status:
                             status.get("miniBatches", {}).get("succeeded", 0) >= FILES // 4)
        self.gone = pod_on(self.counts, self.name)["metadata"]
        self.node, self.lost = self.cluster.node(int(self.name[-1])), True
        self.node.lose()
        self.deleted = aside(self._delete, self.gone_first)

    @staticmethod
    def _delete(job):
        """How long it takes, until the job is gone and until its pods are."""
        begun = time.monotonic()
        job.kubectl("delete", "paralleljob", job.name, "--timeout=60s")
        job_gone = time.monotonic() - begun
        enclosure.wait_until("no pods of it", 120, lambda: not job.pods(), 0.2)
        return job_gone, time.monotonic() - begun

    def kubectl(self, *arguments, **options):
        return self.cluster.kubectl(*arguments, f"--namespace={self.space.name}", **options)

    def end(self):
        if self.lost:
            self.lost = False
            self.node.come_back()
            self.cluster.kubectl("wait", f"node/{self.name}", "--for=condition=Ready",
                                 "--timeout=60s")


@pytest.fixture(scope="module")
def outage(space, toolbox, user_image, installed_chart, aside):
    outage = Outage(space, (toolbox, user_image("3.11")), installed_chart, aside)
    yield outage
    outage.end()


def test_the_rows_are_whole_and_the_lost_pod_is_given_up(outage):
    """Somebody deletes it at once, as Kubernetes does when it gives the node up."""
    counts, name = outage.counts, outage.gone["name"]
    outage.kubectl("delete", "pod", name, "--grace-period=1", "--wait=false")
    outage.space.output("counts", "gate").touch()
    counts.wait_until_complete(90)
    assert counts.rows() == EXPECTED
    status = counts.status()
    assert status["items"] == {"total": FILES, "succeeded": FILES, "failed": 0}
    events = outage.cluster.get("events", f"--namespace={outage.space.name}",
                                "--field-selector=reason=WorkerLost")["items"]
    assert "counts" in {event["involvedObject"]["name"] for event in events}


def test_kubernetes_marks_its_pods_and_keeps_them(outage):
    outage.cluster.kubectl("wait", f"node/{outage.name}", "--for=condition=Ready=Unknown",
                           "--timeout=60s")
    # Nobody is there to confirm its end, so the pod stays, marked. (`kubectl wait` does not take
    # the mark: it is of the pod's generation before the deletion.)
    def marked():
        pod = outage.cluster.get("-n", outage.space.name, "pod/victim")
        assert pod["status"]["phase"] == "Running"
        return pod["metadata"].get("deletionTimestamp") and any(
            condition["type"] == "DisruptionTarget" and condition["status"] == "True"
            for condition in pod["status"]["conditions"])

    enclosure.wait_until("a marked pod", 30, marked)


def test_deleting_a_job_does_not_wait_for_the_node(outage):
    """The objects must be gone though nobody says that the processes are."""
    outage.cluster.kubectl("wait", f"node/{outage.name}", "--for=condition=Ready=Unknown",
                           "--timeout=60s")
    begun = time.monotonic()
    outage.stuck.kubectl("delete", "paralleljob", "stuck", "--timeout=30s")
    enclosure.wait_until("no pods of it", 60, lambda: not outage.stuck.pods(), 0.2)
    took = time.monotonic() - begun
    print(f"deleted while its node is known to be lost: nothing is left after {took:.1f} s")
    assert took < 30


def test_a_job_is_deleted_before_anybody_knows_of_the_loss(outage):
    """Its pods go once the node is known to be lost, after 24 s here."""
    job_gone, pods_gone = outage.deleted.result()
    print(f"deleted right after its node was lost: the job is gone after {job_gone:.1f} s, its "
          f"pods after {pods_gone:.1f} s")
    assert job_gone < 30 and pods_gone < 60


def test_the_node_comes_back(outage):
    outage.end()
    outage.kubectl("wait", "pod/victim", "--for=delete", "--timeout=60s")
    outage.counts.kubectl("delete", "paralleljob", "counts", "--timeout=60s")
    enclosure.wait_until("no pods", 60, lambda: not outage.cluster.get(
        "pods", f"--namespace={outage.space.name}")["items"])
