"""Losing a node, as when its plug is pulled."""

import json

import objects


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
