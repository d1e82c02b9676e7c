"""What every test on a cluster stands on: this one behaves as a Kubernetes does."""

import json
import pathlib
import signal
import subprocess
import sys

import api_reader
import enclosure
import objects
import pytest

pytestmark = pytest.mark.turn(8)


def test_nodes_are_ready(cluster):
    nodes = cluster.get("nodes")["items"]
    assert [item["metadata"]["name"] for item in nodes] == ["node-1", "node-2"]
    for item in nodes:
        ready = [c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready"]
        assert ready == ["True"]
        assert item["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.4"


def test_an_indexed_job_completes(cluster, namespace, toolbox):
    script = "echo index $JOB_COMPLETION_INDEX as $(id -u)"
    cluster.apply(objects.indexed_job("three", 3, objects.pod_spec(toolbox, script)),
                  namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "job/three", "--for=condition=Complete",
                    "--timeout=60s")
    logs = cluster.kubectl("logs", "-n", namespace, "--selector=job-name=three").stdout
    assert sorted(logs.splitlines()) == [f"index {i} as {objects.UID}" for i in range(3)]
    assert cluster.get("-n", namespace, "job/three")["status"]["completedIndexes"] == "0-2"


def test_a_failed_index_fails_the_job(cluster, namespace, toolbox):
    script = "test $JOB_COMPLETION_INDEX != 1"
    cluster.apply(objects.indexed_job("bad", 2, objects.pod_spec(toolbox, script)),
                  namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "job/bad", "--for=condition=Failed", "--timeout=60s")


def test_pods_spread_over_the_nodes_and_reach_one_another(cluster, namespace, toolbox):
    spread = {"labelSelector": {"matchLabels": {"job-name": "pair"}}, "maxSkew": 1,
              "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    server = "cd /tmp; echo hello >index.html; busybox httpd -f -p 8080 -h /tmp"
    spec = objects.pod_spec(toolbox, server, {"/tmp": {"emptyDir": {}}},
                            topologySpreadConstraints=[spread])
    cluster.apply(objects.indexed_job("pair", 2, spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pod", "--selector=job-name=pair",
                    "--for=condition=Ready", "--timeout=60s")
    pods = cluster.get("-n", namespace, "pods", "--selector=job-name=pair")["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2"}
    address = pods[1]["status"]["podIP"]
    seen = cluster.kubectl("exec", "-n", namespace, pods[0]["metadata"]["name"], "--",
                           "wget", "-q", "-O", "-", f"http://{address}:8080/index.html").stdout
    assert seen == "hello\n"


def test_restricted_is_enforced(cluster, namespace, toolbox):
    spec = objects.pod_spec(toolbox, "true")
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = cluster.apply(objects.pod("bold", spec), namespace=namespace, check=False)
    assert refused.returncode != 0
    assert 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation' in refused.stderr


def test_a_folder_is_shared_by_pods_of_both_nodes(cluster, namespace, toolbox, tmp_path):
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    volume, claim = objects.shared_volume("shared", tmp_path, namespace)
    mine, theirs = "/data/$JOB_COMPLETION_INDEX", "/data/$((1 - JOB_COMPLETION_INDEX))"
    script = f"echo hello >{mine}; until test -s {theirs}; do true; done; cat {theirs}"
    spec = objects.pod_spec(toolbox, script,
                            {"/data": {"persistentVolumeClaim": {"claimName": "shared"}}})
    spec["topologySpreadConstraints"] = [{
        "labelSelector": {"matchLabels": {"job-name": "pair"}}, "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}]
    cluster.apply(volume, claim, objects.indexed_job("pair", 2, spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "job/pair", "--for=condition=Complete",
                    "--timeout=60s")
    assert {path.name: path.stat().st_uid for path in tmp_path.iterdir()} == {
        "0": objects.UID, "1": objects.UID}
    cluster.kubectl("delete", "persistentvolume", "shared", "--wait=false")


def kernel_oom_kills():
    """Of this machine since it was started."""
    (line,) = [line for line in pathlib.Path("/proc/vmstat").read_text().splitlines()
               if line.startswith("oom_kill ")]
    return int(line.split()[1])


def test_too_much_memory_ends_a_pod(cluster, namespace, toolbox):
    limit = {"resources": {"limits": {"memory": "16Mi", "cpu": "1"}}}
    spec = objects.pod_spec(toolbox, "tail -c 100m /dev/zero", container_fields=limit)
    before = kernel_oom_kills()
    cluster.apply(objects.pod("greedy", spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pod/greedy", "--for=jsonpath={.status.phase}=Failed",
                    "--timeout=60s")
    (state,) = cluster.get("-n", namespace, "pod/greedy")["status"]["containerStatuses"]
    ended = state["state"]["terminated"]
    assert ended["exitCode"] == 128 + signal.SIGKILL, ended
    # containerd hears of the kill and of the end by two ways; when the end comes first, it is an
    # "Error". The kernel knows who it was.
    assert kernel_oom_kills() > before, ended
    assert ended["reason"] in ("OOMKilled", "Error"), ended


def test_a_pod_speaks_to_the_api_server(cluster, namespace, toolbox):
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]
    mark = cluster.audit_size()
    script = ("kubectl create configmap from-pod --from-literal=key=value; "
              "kubectl get secrets 2>&1 && exit 1; echo done")
    spec = objects.pod_spec(toolbox, script, {"/tmp": {"emptyDir": {}}},
                            {"env": [{"name": "HOME", "value": "/tmp"}]})
    cluster.apply(*objects.role("writer", rules, account_namespace=namespace),
                  namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "serviceaccount/default", "--for=create",
                    "--timeout=30s")
    cluster.apply(objects.pod("client", spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pod/client",
                    "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    assert "cannot list resource" in cluster.kubectl("logs", "-n", namespace, "client").stdout
    user = f"system:serviceaccount:{namespace}:default"
    seen = {(event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"])
            for event in cluster.audit(mark)
            if event["user"]["username"] == user and "objectRef" in event}
    assert seen == {("create", "configmaps", 201), ("list", "secrets", 403)}


def test_the_audit_log_holds_what_was_written(control_plane):
    mark = control_plane.audit_size()
    control_plane.kubectl("create", "configmap", "noted", "--from-literal=key=value")
    written = [event for event in control_plane.audit(mark)
               if event["verb"] == "create" and event["objectRef"]["name"] == "noted"]
    assert [event["responseStatus"]["code"] for event in written] == [201]
    assert written[0]["requestObject"]["data"] == {"key": "value"}
    assert written[0]["user"]["username"] == "admin"


@pytest.mark.parametrize("words", [
    ("configmaps", "-n", "kube-system"), ("configmap/kube-root-ca.crt", "--namespace=default"),
    ("serviceaccount", "default"), ("configmaps,serviceaccounts", "--namespace", "default"),
    ("pods", "--selector=a=b"), ("roles", "-n", "kube-system", "-l",
                                 "kubernetes.io/bootstrapping=rbac-defaults"),
    ("rolebindings", "-n", "kube-system", "--field-selector=metadata.name=system::leader")])
def test_reading_without_kubectl_gives_the_same(control_plane, words):
    assert api_reader.paths_of(words)
    shown = json.loads(control_plane.kubectl("get", "--output=json", *words).stdout)
    read = control_plane.get(*words)
    assert read.get("items", read) == shown.get("items", shown)


def test_reading_what_is_not_there(control_plane):
    with pytest.raises(RuntimeError, match="404 .*nothing.* not found"):
        control_plane.get("configmap", "nothing", "--namespace=kube-system")
    assert api_reader.paths_of(("nodes",)) == api_reader.paths_of(("pods", "--watch")) == []


def test_rules_of_a_resource_are_enforced(control_plane):
    control_plane.apply(objects.widget_definition())
    control_plane.kubectl("wait", "crd/widgets.test.paralleljob.dev",
                          "--for=condition=Established", "--timeout=30s")
    control_plane.apply(objects.widget("one", size=1, replicas=2))
    refused = control_plane.apply(objects.widget("one", size=2, replicas=2), check=False)
    assert refused.returncode != 0 and "size is immutable" in refused.stderr
    negative = control_plane.apply(objects.widget("two", size=-1, replicas=2), check=False)
    assert "should be greater than or equal to 0" in negative.stderr
    control_plane.kubectl("scale", "widget/one", "--replicas=5")
    assert control_plane.get("widget/one")["spec"] == {"size": 1, "replicas": 5}


FIRST_THREAD_ENDS = """
import ctypes, threading
threading.Thread(target=threading.Event().wait).start()
ctypes.CDLL(None).syscall(60, 0)  # exit() of this thread alone
"""


def test_a_process_runs_until_its_last_thread_ends(control_plane):
    """A server that is half gone still holds its port; nothing can be started in its place."""
    home = control_plane.home
    home.start("half-gone", [sys.executable, "-c", FIRST_THREAD_ENDS])
    status = "/proc/$(cat half-gone.pid)/status"
    in_home = f"cd {enclosure.INSIDE}; grep -q 'State:.Z' {status}"
    enclosure.wait_until("the end of its first thread", 20, lambda: subprocess.run(
        home.enter(["sh", "-c", in_home], network_only=False), check=False).returncode == 0)
    assert home.running("half-gone")
    home.stop("half-gone", signal.SIGKILL)
    assert not home.running("half-gone")


def test_what_ends_by_itself_is_told_with_its_log(control_plane):
    home = control_plane.home
    try:
        home.start("short-lived", ["sh", "-c", "echo the reason; exit 3"])
        with pytest.raises(RuntimeError, match="(?s)a wonder: short-lived ended; .*the reason"):
            home.wait_for("a wonder", 20, lambda: False, "etcd", "short-lived")
        ((title, log),) = control_plane.ended()
        assert title.startswith("short-lived of ") and log.endswith("\nthe reason")
    finally:
        (home.folder / "short-lived.pid").unlink()
    with pytest.raises(TimeoutError, match="(?s)a wonder: not within 0 s.*etcd.log ends with"):
        home.wait_for("a wonder", 0, lambda: False, "etcd")


def test_the_api_server_comes_back(control_plane):
    control_plane.kubectl("create", "configmap", "kept")
    with control_plane.without_api_server():
        gone = control_plane.kubectl("get", "configmap", "kept", check=False)
        assert gone.returncode != 0 and "refused" in gone.stderr
    assert control_plane.get("configmap", "kept")["metadata"]["name"] == "kept"
