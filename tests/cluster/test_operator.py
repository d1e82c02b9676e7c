"""The operator on a real control plane: children, status, permissions, deletion; no nodes."""

import datetime
import re
import signal

import pytest

import enclosure
import objects
import operator_process

CHILDREN = "configmaps,jobs,serviceaccounts,roles,rolebindings,leases,pods"
LABEL = "paralleljob.dev/job"


@pytest.fixture(scope="module")
def plane(crd):
    """A control plane that knows ParallelJobs, with the schema that users have."""
    return crd


@pytest.fixture(scope="module")
def operator(plane):
    with operator_process.Operator(plane, 18080) as running:
        running.wait_until_ready()
        yield running


def children(plane, space, job):
    found = plane.get(CHILDREN, "-n", space, f"--selector={LABEL}={job}")["items"]
    return sorted(f"{item['kind']}/{item['metadata']['name']}" for item in found)


def worker_job(plane, space, job):
    """The job's Job; None while there is none."""
    found = plane.get("jobs", "-n", space, f"--selector={LABEL}={job}")["items"]
    return found[0] if found else None


def status(plane, space, job):
    return plane.get("paralleljob", job, "-n", space).get("status", {})


def wait(what, check):
    enclosure.wait_until(what, 30, check)


def create(plane, space, job):
    plane.apply(job, namespace=space)
    name = job["metadata"]["name"]
    wait("a Job", lambda: worker_job(plane, space, name))
    wait("a status", lambda: status(plane, space, name).get("conditions"))


# What the API server refuses to the Job controller: what of a pod, and the words that name it.
EXPORT = {"server": "files.example.com", "path": "/export"}
REFUSALS = {
    "account": ({"serviceAccountName": "nobody"}, 'serviceaccount "nobody" not found'),
    "priority": ({"priorityClassName": "urgent"}, "no PriorityClass with name urgent was found"),
    "quota": ({}, "exceeded quota: tiny, requested: pods=1, used: pods=1, limited: pods=1"),
    "security": ({"volumes": [{"name": "old", "nfs": EXPORT}]},
                 'violates PodSecurity "restricted:latest": restricted volume types'),
}


@pytest.fixture(scope="module")
def refused(plane, operator):
    """A namespace for each refusal, with a job `refused`; others are tested meanwhile."""
    names = {case: f"refused-{case}" for case in REFUSALS}
    for name in names.values():
        plane.apply(objects.namespace(name))
        plane.apply(objects.unbound_claim(), namespace=name)
    plane.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tiny"},
                 "spec": {"hard": {"pods": "1"}}}, namespace=names["quota"])
    # Admission counts only from the moment at which the quota's controller has seen it.
    wait("a quota in force", lambda: plane.get(
        "resourcequota", "tiny", "-n", names["quota"]).get("status", {}).get("hard"))
    for case, (pod, _) in REFUSALS.items():
        plane.apply(operator_process.job("refused", podTemplate=pod), namespace=names[case])
    yield names
    for name in names.values():
        plane.kubectl("delete", "namespace", name, "--wait=false")
    plane.kubectl("delete", "priorityclass", "urgent", "--ignore-not-found")


def test_refused_jobs_begin(plane, refused):
    for name in refused.values():
        wait("a Job", lambda name=name: worker_job(plane, name, "refused"))


def test_rules_and_dashboard_know_the_metrics(operator, pytestconfig):
    """Each name that the chart's monitoring asks for is one that the operator has."""
    chart = pytestconfig.rootpath / "charts/paralleljob"
    asked = set(re.findall(r"paralleljob_[a-z_]+", "".join(
        (chart / file).read_text(encoding="utf-8")
        for file in ("templates/monitoring.yaml", "files/dashboard.json"))))
    known = set(re.findall(r"^(?:# TYPE )?(paralleljob_[a-z_]+)", operator.get("/metrics"),
                           re.MULTILINE))
    assert len(asked) >= 8 and asked <= known


def test_a_job_gets_its_children_and_a_status(plane, operator, space):
    create(plane, space, operator_process.job("score"))
    made = [name.split("/")[0] for name in children(plane, space, "score")]
    assert [kind for kind in made if kind != "Pod"] == [
        "ConfigMap", "ConfigMap", "Job", "Role", "RoleBinding", "ServiceAccount"]
    job = worker_job(plane, space, "score")
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["parallelism"] == job["spec"]["completions"] == 2
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    conditions = {c["type"]: c for c in status(plane, space, "score")["conditions"]}
    assert conditions["Reconciling"]["status"] == "True"
    assert conditions["Stalled"]["status"] == "False"
    wait("its pods", lambda: len(plane.get(
        "pods", "-n", space, f"--selector={LABEL}=score")["items"]) == 2)


def test_pods_pass_restricted_and_hide_the_token(plane, operator, space):
    create(plane, space, operator_process.job("safe", 1))
    wait("a pod", lambda: plane.get("pods", "-n", space)["items"])  # the namespace is restricted
    spec = plane.get("pods", "-n", space)["items"][0]["spec"]
    mounts = {c["name"]: {m["mountPath"] for m in c["volumeMounts"]}
              for c in spec["initContainers"] + spec["containers"]}
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert token in mounts["agent"]
    assert token not in mounts["user"] and token not in mounts["install"]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"


def test_applying_again_changes_nothing(plane, operator, space):
    """While it runs; test_audit.py does it a hundred times when it has ended."""
    job = operator_process.job("same")
    create(plane, space, job)
    wait("its pods", lambda: status(plane, space, "same").get("workers", {}).get("active") == 2)
    version = plane.get("paralleljob", "same", "-n", space)["metadata"]["resourceVersion"]
    before = children_versions(plane, space)
    mark = plane.audit_size()
    for _ in range(20):
        plane.apply(job, namespace=space)
    assert plane.get("paralleljob", "same", "-n", space)["metadata"]["resourceVersion"] == version
    assert children_versions(plane, space) == before
    assert writes(plane, mark, space) == []


def children_versions(plane, space):
    return {(item["kind"], item["metadata"]["name"]): item["metadata"]["resourceVersion"]
            for item in plane.get(CHILDREN, "-n", space)["items"]}


def writes(plane, mark, space):
    """Writes by anybody but kubectl in a namespace."""
    return [(event["verb"], event["objectRef"]["resource"], event["objectRef"].get("name"))
            for event in plane.audit(mark)
            if event["verb"] in ("create", "update", "patch", "delete")
            and event.get("objectRef", {}).get("namespace") == space
            and not event.get("userAgent", "").startswith("kubectl")]


def test_deletion_leaves_nothing(plane, operator, space):
    create(plane, space, operator_process.job("gone"))
    plane.kubectl("delete", "paralleljob", "gone", "-n", space)
    wait("the end of all children", lambda: children(plane, space, "gone") == [])


def test_scale_suspend_and_resume(plane, operator, space):
    create(plane, space, operator_process.job("scaled"))

    def change(spec):
        plane.kubectl("patch", "paralleljob", "scaled", "-n", space, "--type=merge",
                      f"--patch={{\"spec\": {spec}}}")

    def job_has(key, value):
        wait(f"{key} = {value}",
             lambda: worker_job(plane, space, "scaled")["spec"][key] == value)

    change('{"instanceCount": 4}')
    job_has("parallelism", 4)
    change('{"instanceCount": 0}')
    job_has("parallelism", 0)
    assert worker_job(plane, space, "scaled")["spec"]["completions"] == 4
    change('{"instanceCount": 3, "suspend": true}')
    job_has("suspend", True)
    change('{"suspend": false}')
    job_has("suspend", False)
    job_has("completions", 3)


def test_a_job_that_cannot_run_is_stalled(plane, operator, space):
    bad = operator_process.job("bad")
    bad["spec"]["task"]["code"] = {"local": "src"}
    plane.apply(bad, namespace=space)
    wait("Stalled", lambda: plane.kubectl(
        "wait", "-n", space, "paralleljob/bad", "--for=condition=Stalled", "--timeout=10s",
        check=False).returncode == 0)
    assert children(plane, space, "bad") == []


def test_fifty_at_once_get_their_jobs_soon(plane, operator, space):
    mark = plane.audit_size()
    plane.apply(*[operator_process.job(f"many-{i}", 1) for i in range(50)], namespace=space)
    wait("50 Jobs", lambda: len(plane.get("jobs", "-n", space)["items"]) == 50)
    owners = {item["metadata"]["name"]: item["metadata"]["labels"][LABEL]
              for item in plane.get("jobs", "-n", space)["items"]}
    asked, made = {}, {}
    for event in plane.audit(mark):
        reference = event.get("objectRef", {})
        if event["verb"] != "create" or reference.get("namespace") != space:
            continue
        at = datetime.datetime.fromisoformat(event["stageTimestamp"].rstrip("Z"))
        if reference["resource"] == "paralleljobs":
            asked[reference["name"]] = at
        elif reference["resource"] == "jobs":
            made[owners[reference["name"]]] = at
    took = sorted((made[name] - asked[name]).total_seconds() for name in asked)
    print(f"created to Job created: median {took[25] * 1000:.0f} ms, worst {took[-1] * 1000:.0f}")
    assert took[-1] < 5
    for family in ("reconcile_duration_seconds_count", "api_requests_total", "jobs"):
        assert operator.metric(family) >= 50


@pytest.mark.parametrize("case", REFUSALS)
def test_what_the_job_controller_is_refused_is_told(plane, refused, case):
    """There are no pods then, or too few: the cause stands only in an Event of the Job."""
    def told():
        return next((each for each in status(plane, refused[case], "refused")["conditions"]
                     if each["type"] == "Reconciling" and each["reason"] == "FailedCreate"), None)

    enclosure.wait_until("the cause in the status", 60, told)
    assert REFUSALS[case][1] in told()["message"]
    lift(plane, case, refused[case])


def lift(plane, case, name):
    """What was refused is allowed from now on."""
    if case == "account":
        plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}},
                    namespace=name)
    elif case == "priority":
        plane.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                     "metadata": {"name": "urgent"}, "value": 7})
    elif case == "quota":
        plane.kubectl("delete", "resourcequota", "tiny", "-n", name)
    else:
        plane.kubectl("label", "namespace", name, "--overwrite",
                      "pod-security.kubernetes.io/enforce=privileged")


def test_two_of_them_lead_one_after_the_other(plane, operator, space):
    """`operator` of the module works without an election and does not count here."""
    flags = ("--leader-elect", f"--lease-namespace={space}", f"--namespace={space}")
    with operator_process.Operator(plane, 18081, *flags, "--log-format=json") as first, \
            operator_process.Operator(plane, 18082, *flags) as second:
        first.wait_until_ready()
        second.wait_until_ready()
        wait("a leader", lambda: first.metric("leader") + second.metric("leader") == 1)
        leader, other = (first, second) if first.metric("leader") else (second, first)
        assert leader.stop(signal.SIGTERM) == 0
        other.wait_until_it_leads()
        assert other.metric("leader") == 1


@pytest.mark.parametrize("case", REFUSALS)
def test_a_job_goes_on_once_it_is_not_refused_any_more(plane, operator, refused, case):
    """The Job controller tries again, at most a minute later."""
    name = refused[case]
    enclosure.wait_until("its pods", 120, lambda: len(plane.get(
        "pods", "-n", name, f"--selector={LABEL}=refused")["items"]) == 2)
    enclosure.wait_until("another word", 60, lambda: not [
        each for each in status(plane, name, "refused")["conditions"]
        if each["reason"] == "FailedCreate"])
