"""Jobs of a queue of Kueue, on a real API server and under the operator's own role.

Kueue itself does not run here: the tests bring a small definition of its Workload, with the names
and the field that the operator uses, and do to Workload and Job what Kueue would do.
"""

import contextlib

import pytest

import enclosure
import objects
import operator_process

ACCOUNT, NAME = "operator", "queued"
LABEL = "paralleljob.dev/job"


def definition(version):
    """Of the Workload; Kueue's own has more fields."""
    spec = {"type": "object", "properties": {
        "queueName": {"type": "string"}, "active": {"type": "boolean", "default": True}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "workloads.kueue.x-k8s.io"},
            "spec": {"group": "kueue.x-k8s.io", "scope": "Namespaced",
                     "names": {"kind": "Workload", "plural": "workloads", "singular": "workload"},
                     "versions": [{"name": version, "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": {
                                       "type": "object", "properties": {"spec": spec}}}}]}}


@contextlib.contextmanager
def workloads(plane, version):
    """The cluster knows Workloads in that version."""
    made = definition(version)
    plane.apply(made)
    try:
        plane.kubectl("wait", f"crd/{made['metadata']['name']}", "--for=condition=Established",
                      "--timeout=30s")
        yield
    finally:
        plane.kubectl("delete", "crd", made["metadata"]["name"])


@pytest.fixture(scope="module")
def plane(crd):
    return crd


def allow(plane, space, *flags):
    """The operator may do what it says it needs with these flags, and no more."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    role = objects.role(ACCOUNT, operator_process.permissions(*flags), ACCOUNT, space)
    plane.apply(account, *role, namespace=space)


@pytest.fixture
def operator(plane, space):
    """Works in `space` alone, with its own role. Nobody drains here: there are no nodes."""
    allow(plane, space, "--kueue")
    config = operator_process.config_of(plane, ACCOUNT, space)
    with operator_process.Operator(plane, 18083, f"--kubeconfig={config}", f"--namespace={space}",
                                   "--kueue", "--drain-seconds=1") as running:
        running.wait_until_ready()
        yield running


class Queued:
    """A job of a queue, and Kueue's part."""

    def __init__(self, plane, space):
        self.plane, self.space = plane, space
        job = operator_process.job(NAME, 1)
        job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "batch"}
        plane.apply(job, namespace=space)
        self.wait("a Job", self.job)

    def job(self):
        found = self.plane.get("jobs", "-n", self.space, f"--selector={LABEL}={NAME}")["items"]
        return found[0] if found else None

    def patch(self, kind, name, spec):
        self.plane.kubectl("patch", kind, name, "-n", self.space, "--type=merge",
                           f"--patch={{\"spec\": {spec}}}")

    def suspend(self, yes):
        self.patch("paralleljob", NAME, f'{{"suspend": {str(yes).lower()}}}')

    def admit(self, yes):
        """Kueue starts or stops the Job's pods."""
        self.patch("job", self.job()["metadata"]["name"], f'{{"suspend": {str(not yes).lower()}}}')

    def make_workload(self, version):
        job = self.job()["metadata"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["name"], "uid": job["uid"],
                 "controller": True}
        self.plane.apply({"apiVersion": f"kueue.x-k8s.io/{version}", "kind": "Workload",
                          "metadata": {"name": "job-queued", "ownerReferences": [owner],
                                       "labels": {"kueue.x-k8s.io/job-uid": job["uid"]}},
                          "spec": {"queueName": "batch"}}, namespace=self.space)

    def workload(self):
        return self.plane.get("workload", "job-queued", "-n", self.space)

    def wait_for_active(self, yes):
        self.wait(f"active: {yes}", lambda: self.workload()["spec"]["active"] is yes)

    def condition(self, kind):
        status = self.plane.get("paralleljob", NAME, "-n", self.space).get("status", {})
        return next((each for each in status.get("conditions", []) if each["type"] == kind), {})

    def wait_for_message(self, kind, text):
        self.wait(text, lambda: text in self.condition(kind).get("message", ""))

    def wait(self, what, check):
        enclosure.wait_until(what, 60, check)

    def events(self, reason):
        found = self.plane.get("events", "-n", self.space)["items"]
        return [each for each in found if each["reason"] == reason]


def check_suspend_and_resume(plane, space, version):
    with workloads(plane, version):
        queued = Queued(plane, space)
        queued.make_workload(version)
        assert queued.workload()["spec"]["active"] is True
        queued.suspend(True)
        queued.wait_for_active(False)
        assert "paralleljob.dev/suspended" in queued.workload()["metadata"]["annotations"]
        assert queued.job()["spec"]["suspend"] is False  # that is Kueue's
        queued.admit(False)
        queued.wait("Suspended", lambda: queued.condition("Suspended").get("status") == "True")
        queued.suspend(False)
        queued.wait_for_active(True)
        assert "paralleljob.dev/suspended" not in queued.workload()["metadata"]["annotations"]
        queued.wait("a word of the queue",
                    lambda: queued.condition("Reconciling").get("reason") == "Queued")
        version_then = queued.workload()["metadata"]["resourceVersion"]
        queued.admit(True)
        queued.wait("an admitted job",
                    lambda: queued.condition("Reconciling").get("reason") != "Queued")
        assert queued.workload()["metadata"]["resourceVersion"] == version_then
        assert queued.events("QueueNotTold") == []


def test_a_suspended_job_gives_its_quota_back(plane, space, operator):
    check_suspend_and_resume(plane, space, "v1beta2")


def test_an_older_kueue_is_told_as_well(plane, space, operator):
    check_suspend_and_resume(plane, space, "v1beta1")


def test_a_cluster_without_kueue_is_told_of(plane, space, operator):
    queued = Queued(plane, space)
    queued.suspend(True)
    queued.wait_for_message("Suspended", "this cluster has no Workloads of Kueue")
    assert len(queued.events("QueueNotTold")) == 1
    with workloads(plane, "v1beta2"):  # installed later
        queued.make_workload("v1beta2")
        queued.wait_for_active(False)


def test_a_missing_right_is_told_of_and_stops_nothing(plane, space, operator):
    with workloads(plane, "v1beta2"):
        queued = Queued(plane, space)
        queued.make_workload("v1beta2")
        allow(plane, space)
        may = ("auth", "can-i", "list", "workloads.kueue.x-k8s.io", f"--namespace={space}",
               f"--as=system:serviceaccount:{space}:{ACCOUNT}")
        queued.wait("the right to be gone",
                    lambda: plane.kubectl(*may, check=False).returncode == 1)
        queued.suspend(True)
        queued.wait_for_message("Suspended", "kueue.enabled")
        message = queued.condition("Suspended")["message"]
        assert "cannot list resource \"workloads\"" in message and "by hand" in message
        assert queued.workload()["spec"]["active"] is True
        assert len(queued.events("QueueNotTold")) == 1
        queued.suspend(False)
        queued.wait("a job that goes on",
                    lambda: queued.condition("Suspended").get("status") == "False")
        allow(plane, space, "--kueue")
        queued.suspend(True)
        queued.wait_for_active(False)
