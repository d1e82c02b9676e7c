"""The operator as a process: stopped for too long while it leads, and what its log lines name."""

import json
import signal

import enclosure
import operator_process
import pytest

LOST = 4  # the exit code of a process that led and lost the lead
LABEL = "paralleljob.dev/job"


@pytest.fixture(scope="module")
def plane(crd):
    """A control plane that knows ParallelJobs, with the schema that users have."""
    return crd


def jobs_of(plane, space, name):
    return plane.get("jobs", "-n", space, f"--selector={LABEL}={name}")["items"]


def wait_for_job(plane, space, name):
    enclosure.wait_until(f"the Job of {name}", 30, lambda: jobs_of(plane, space, name))


def test_a_leader_that_was_stopped_for_too_long_ends(plane, space):
    flags = ("--leader-elect", f"--lease-namespace={space}", f"--namespace={space}")
    with operator_process.Operator(plane, 18083, *flags) as first, \
            operator_process.Operator(plane, 18084, *flags) as second:
        for operator in (first, second):
            operator.wait_until_ready()
        enclosure.wait_until("a leader", 30,
                             lambda: first.metric("leader") + second.metric("leader") == 1)
        leader, other = (first, second) if first.metric("leader") else (second, first)
        leader.process.send_signal(signal.SIGSTOP)
        other.wait_until_it_leads()
        lease = plane.get("lease", "paralleljob-operator", "-n", space)["spec"]
        plane.apply(operator_process.job("late"), namespace=space)
        leader.process.send_signal(signal.SIGCONT)
        assert leader.process.wait(30) == LOST
        assert "the lead is lost: ending at once" in leader.text()
        wait_for_job(plane, space, "late")
        assert other.metric("leader") == 1
        now = plane.get("lease", "paralleljob-operator", "-n", space)["spec"]
        assert lease["leaseTransitions"] == now["leaseTransitions"] == 1
        assert lease["holderIdentity"] == now["holderIdentity"]


def quota(plane, space):
    """No second Job in the namespace, from when this returns."""
    plane.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
                 "spec": {"hard": {"count/jobs.batch": "1"}}}, namespace=space)
    enclosure.wait_until("a quota in force", 30, lambda: plane.get(
        "resourcequota", "few", "-n", space).get("status", {}).get("used"))


def test_each_line_about_a_job_names_it(plane, space):
    flags = (f"--namespace={space}", "--log-format=json", "--log-level=debug")
    with operator_process.Operator(plane, 18085, *flags) as operator:
        operator.wait_until_ready()
        plane.apply(operator_process.job("alpha"), namespace=space)
        wait_for_job(plane, space, "alpha")
        quota(plane, space)
        plane.apply(operator_process.job("beta"), namespace=space)
        enclosure.wait_until("a refusal", 30, lambda: "exceeded quota" in operator.text())
        found = plane.get("paralleljobs", "-n", space)["items"]
        plane.kubectl("delete", "paralleljob", "alpha", "-n", space)
        enclosure.wait_until("the end of its Job", 30, lambda: not jobs_of(plane, space, "alpha"))
        assert operator.stop() == 0
        lines = [json.loads(line) for line in operator.text().splitlines()]
    uids = {f"{space}/{item['metadata']['name']}": item["metadata"]["uid"] for item in found}
    assert len(uids) == 2
    named = [line for line in lines if line.get("job")]
    assert {(line["job"], line["uid"]) for line in named} == set(uids.items())
    for line in lines:
        if "alpha" in line["message"] or "beta" in line["message"]:
            assert line in named
    assert [line for line in named if line["level"] == "warning" and
            "exceeded quota" in line["message"] and line["job"] == f"{space}/beta"]
