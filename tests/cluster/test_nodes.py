"""Losing a node, as when its plug is pulled."""

import json
import time

import enclosure
import objects
import pod_jobs

HANGS = """\
import threading
def run(mini_batch):
    threading.Event().wait(3600)
"""


def test_no_node_clears_away_the_logs_of_another(cluster):
    folders = set()
    for node in ("node-1", "node-2"):
        answer = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz").stdout
        folders.add(json.loads(answer)["kubeletconfig"]["podLogsDir"])
    assert len(folders) == 2


def test_a_lost_node_is_noticed_and_comes_back(cluster, namespace, toolbox):
    spec = objects.pod_spec(toolbox, "sleep 600", nodeName="node-2",
                            tolerations=[{"operator": "Exists", "effect": "NoExecute",
                                          "tolerationSeconds": 1}])
    cluster.apply(objects.pod("victim", spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pod/victim", "--for=condition=Ready",
                    "--timeout=60s")
    node = cluster.node(2)
    node.lose()
    try:
        cluster.kubectl("wait", "node/node-2", "--for=condition=Ready=Unknown", "--timeout=60s")
        # Nobody is there to confirm its end, so the pod stays, marked.
        cluster.kubectl("wait", "-n", namespace, "pod/victim", "--timeout=30s",
                        "--for=condition=DisruptionTarget")
        pod = cluster.get("-n", namespace, "pod/victim")
        assert pod["metadata"]["deletionTimestamp"] and pod["status"]["phase"] == "Running"
    finally:
        node.come_back()
    cluster.kubectl("wait", "node/node-2", "--for=condition=Ready", "--timeout=60s")
    cluster.kubectl("wait", "-n", namespace, "pod/victim", "--for=delete", "--timeout=60s")


def test_a_deleted_job_is_gone_although_its_node_is_lost(cluster, installed_chart, user_image,
                                                         tmp_path):
    """Nobody confirms the end of its pods; the operator, on the other node, removes them."""
    operators = cluster.get("pods", f"--namespace={installed_chart}",
                            "--selector=app.kubernetes.io/name=paralleljob-operator")["items"]
    (home,) = {pod["spec"]["nodeName"] for pod in operators}
    node = cluster.node(1 if home == "node-2" else 2)
    space = pod_jobs.Space(cluster, "lost-node", tmp_path / "data")
    objects.linked_files(space.folder / "in", 4)
    job = space.apply(space.small_job(
        "left", HANGS, user_image("3.11"),
        podTemplate={"nodeSelector": {"kubernetes.io/hostname": node.name}}))
    job.wait_for("two workers", lambda now: now.get("workers", {}).get("ready") == 2)
    node.lose()
    try:
        cluster.kubectl("wait", f"node/{node.name}", "--for=condition=Ready=Unknown",
                        "--timeout=60s")
        start = time.monotonic()
        job.kubectl("delete", "paralleljob", job.name, "--timeout=30s")
        enclosure.wait_until("the pods to be gone", 30, lambda: not job.pods())
        assert time.monotonic() - start <= 30
    finally:
        node.come_back()
        cluster.kubectl("wait", f"node/{node.name}", "--for=condition=Ready", "--timeout=60s")
        space.end()
