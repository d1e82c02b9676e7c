"""The GitOps pack on a real API server: its CEL reads Flux's expressions, kubectl the example."""

import json
import pathlib
import re
import sys

import pytest

import enclosure
import objects

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/gitops"))

from health_cases import CASES, GENERATION  # noqa: E402  # pylint: disable=wrong-import-position
import packs  # noqa: E402  # pylint: disable=wrong-import-position

EXAMPLE = packs.FOLDER / "jobs/hello"
POLICY = "flux-expressions"
SPACE = "gitops"


def as_admission(expression):
    """What Flux calls `status`, an admission policy calls `object.status`."""
    return re.sub(r"(?<![\w.])(status|metadata)\.", r"object.\1.", expression)


def policy():
    """Refuses every status, and says what the expressions make of it."""
    told = " + ".join(f"' {name}=' + string({as_admission(text)})"
                      for name, text in packs.flux().items())
    rule = {"apiGroups": ["paralleljob.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
            "resources": ["paralleljobs/status"]}
    version = {"apiVersion": "admissionregistration.k8s.io/v1"}
    return (version | {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": POLICY},
                       "spec": {"matchConstraints": {"resourceRules": [rule]},
                                "validations": [{"expression": "false",
                                                 "messageExpression": f"'told' + {told}"}]}},
            version | {"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": POLICY},
                       "spec": {"policyName": POLICY, "validationActions": ["Deny"],
                                "matchResources": {"namespaceSelector": {"matchLabels": {
                                    "kubernetes.io/metadata.name": SPACE}}}}})


def job(name):
    return {"apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
            "metadata": {"name": name, "finalizers": ["paralleljob.dev/held-by-a-test"]},
            "spec": {"inputs": [{"name": "data", "path": "in"}], "inputData": "${{inputs.data}}",
                     "task": {"code": {"image": "/code"}, "entryScript": "x.py"}}}


@pytest.fixture(scope="module")
def plane(crd):
    """A control plane with a job, one that is being deleted, and the policy."""
    crd.apply(objects.namespace(SPACE))
    crd.apply(job("lives"), job("goes"), namespace=SPACE)
    crd.kubectl("delete", "paralleljob", "goes", "-n", SPACE, "--wait=false")
    crd.apply(*policy())
    enclosure.wait_until("the policy", 60, lambda: "told" in told(crd, CASES[0]))
    yield crd
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        crd.kubectl("delete", kind, POLICY)
    for name in ("lives", "goes"):
        crd.kubectl("patch", "paralleljob", name, "-n", SPACE, "--type=merge",
                    '--patch={"metadata":{"finalizers":null}}')
    crd.kubectl("delete", "namespace", SPACE, "--wait=false")


def told(plane, case):
    """The API server's answer to a status as the case has it."""
    name = "goes" if case.deleting else "lives"
    now = plane.get("paralleljob", name, "-n", SPACE)["metadata"]["generation"]
    status = dict(case.status)
    if status["observedGeneration"] >= 0:
        status["observedGeneration"] += now - GENERATION
    return plane.kubectl("patch", "paralleljob", name, "-n", SPACE, "--subresource=status",
                         "--type=merge", "--dry-run=server",
                         f"--patch={json.dumps({'status': status})}", check=False).stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_flux_reads_the_health(plane, case):
    """As Flux: the first expression that is true; none: it waits."""
    answer = told(plane, case)
    found = re.search(r"told inProgress=(\w+) failed=(\w+) current=(\w+)", answer)
    assert found, answer  # an expression that fails has no message: Flux would wait for ever
    names = ("InProgress", "Failed", "Current")
    first = [name for name, value in zip(names, found.groups()) if value == "true"]
    assert (first or ["InProgress"])[0] == case.flux, answer


def test_applying_the_folder_again_changes_nothing(plane):
    """test_audit.py does it a hundred times."""
    plane.apply(objects.namespace("gitops-apply"))
    plane.kubectl("apply", "-n", "gitops-apply", "-k", str(EXAMPLE))
    before = plane.get("paralleljob", "hello", "-n", "gitops-apply")["metadata"]
    for _ in range(10):
        done = plane.kubectl("apply", "-n", "gitops-apply", "-k", str(EXAMPLE)).stdout
        assert all(line.endswith("unchanged") for line in done.splitlines()), done
    after = plane.get("paralleljob", "hello", "-n", "gitops-apply")["metadata"]
    assert after["resourceVersion"] == before["resourceVersion"]
    plane.kubectl("delete", "namespace", "gitops-apply", "--wait=false")
