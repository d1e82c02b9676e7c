"""ParallelJobs on a real API server: documentation, columns, subresources, what may change."""

import json

import crd_manifests
import pytest


@pytest.fixture
def job(crd):
    """A ParallelJob, gone afterwards."""
    manifest = crd_manifests.manifest("sample", {"spec/instanceCount": 2,
                                                 "spec/retrySettings/maxRetries": 3})
    crd.apply(manifest)
    yield "sample"
    crd.kubectl("delete", "paralleljob", "sample", check=False)


def change(crd, name, patch, *more):
    return crd.kubectl("patch", "paralleljob", name, "--type=merge",
                       f"--patch={json.dumps(patch)}", *more, check=False)


def set_status(crd, name, status):
    done = change(crd, name, {"status": status}, "--subresource=status")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path,wanted", [
    ("spec.retrySettings", ("maxRetries", "timeoutSeconds", "Retries after the first try",
                            "From 0 to 2147483647", "Default: 2",
                            "Azure ML: retry_settings.max_retries", "From 1 to 259200")),
    ("spec.loggingLevel", ("ENUM: DEBUG INFO WARNING", "Default: INFO")),
    ("spec.instanceCount", ("Worker pods", "May be changed later",
                            "Azure ML: resources.instance_count")),
    ("spec.podTemplate.tolerations", ("effect", "NoExecute", "tolerationSeconds")),
    ("spec.inputs.volume", ("persistentVolumeClaim", "A claim in the job's namespace")),
    ("status.miniBatches", ("succeeded", "Failed for good")),
], ids=lambda value: value if isinstance(value, str) else "")
def test_explain_reads_like_documentation(crd, path, wanted):
    shown = " ".join(crd.kubectl("explain", f"paralleljob.{path}").stdout.split())
    for text in wanted:
        assert text in shown


def test_every_field_is_described(crd):
    lacking = []

    def walk(schema, path):
        for name, child in schema.get("properties", {}).items():
            below = f"{path}.{name}"
            if not child.get("description") and below != ".metadata":
                lacking.append(below)
            walk(child, below)
            walk(child.get("items", {}), below + "[]")

    made = crd.get("crd", "paralleljobs.paralleljob.dev")
    walk(made["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")
    assert [path for path in lacking if ".conditions[]" not in path] == []


def test_a_new_job_is_not_taken_for_finished(crd, job):
    made = crd.get("pj", job)
    assert made["status"] == {"observedGeneration": -1}
    assert made["metadata"]["generation"] == 1


def test_columns(crd, job):
    now = "2026-01-02T03:04:05Z"
    set_status(crd, job, {
        "state": "Failed", "progress": "40%", "duration": "2m1s", "rate": "3/s", "retries": 4,
        "miniBatches": {"total": 10, "succeeded": 3, "failed": 1, "left": 6},
        "items": {"failed": 17}, "workers": {"summary": "1/2"}, "eta": "9s",
        "conditions": [{"type": "Stalled", "status": "True", "reason": "TooManyErrors",
                        "message": "too many", "lastTransitionTime": now}]})
    head, row = crd.kubectl("get", "pj", "--output=wide").stdout.splitlines()
    assert head.split() == ["NAME", "STATUS", "PROGRESS", "FAILED", "WORKERS", "DURATION", "AGE",
                            "RATE", "ETA", "RETRIES", "ERRORS", "REASON", "IMAGE"]
    cells = row.split()
    assert cells[:6] == [job, "Failed", "40%", "1", "1/2", "2m1s"]
    assert cells[7:] == ["3/s", "9s", "4", "17", "TooManyErrors", "registry.example/score:1"]
    assert job in crd.kubectl("get", "parallel").stdout  # the category


def test_scale(crd, job):
    crd.kubectl("scale", f"paralleljob/{job}", "--replicas=5")
    assert crd.get("pj", job)["spec"]["instanceCount"] == 5
    set_status(crd, job, {"workers": {"active": 4}, "selector": "paralleljob.dev/run=abc"})
    scale = json.loads(crd.kubectl(
        "get", "--raw",
        f"/apis/paralleljob.dev/v1alpha1/namespaces/default/paralleljobs/{job}/scale").stdout)
    assert scale["spec"]["replicas"] == 5
    assert scale["status"] == {"replicas": 4, "selector": "paralleljob.dev/run=abc"}


def test_scale_of_a_job_that_names_no_count(crd):
    crd.apply(crd_manifests.manifest("plain", {}))
    crd.kubectl("scale", "paralleljob/plain", "--replicas=0")
    assert crd.get("pj", "plain")["spec"]["instanceCount"] == 0
    crd.kubectl("delete", "paralleljob", "plain")


def test_wait(crd, job):
    waiting = crd.popen("kubectl", "wait", "--for=condition=Complete", "--timeout=60s",
                        f"paralleljob/{job}")
    set_status(crd, job, {"observedGeneration": 1, "conditions": [
        {"type": "Complete", "status": "True", "reason": "Done", "message": "",
         "lastTransitionTime": "2026-01-02T03:04:05Z"}]})
    assert waiting.communicate(timeout=90)[0].strip() == \
        f"paralleljob.paralleljob.dev/{job} condition met"


@pytest.mark.parametrize("patch", [
    {"suspend": True}, {"suspend": False}, {"instanceCount": 7}, {"activeDeadlineSeconds": 60},
    {"ttlSecondsAfterFinished": 0}, {"cancel": True}], ids=json.dumps)
def test_what_may_change(crd, job, patch):
    assert change(crd, job, {"spec": patch}).returncode == 0
    ((field, value),) = patch.items()
    assert crd.get("pj", job)["spec"][field] == value


@pytest.mark.parametrize("patch", [
    {"retrySettings": {"maxRetries": 4}}, {"retrySettings": None}, {"miniBatchSize": 7},
    {"inputData": ["${{inputs.data}}"]}, {"loggingLevel": "DEBUG"}, {"managedBy": "a.b/c"},
    {"task": {"entryScript": "other.py"}}, {"task": {"appendRowTo": None}},
    {"inputs": [crd_manifests.BASE["spec"]["inputs"][0]]}, {"outputs": None},
    {"inputs": [crd_manifests.BASE["spec"]["inputs"][0], {"name": "limit", "value": "6"}]},
    {"podTemplate": {"affinity": {"nodeAffinity": {}}}}, {"environmentVariables": {"A": "1"}},
    {"work": {"volume": crd_manifests.CLAIM}}, {"logs": "none"}, {"copyLogsToParent": True}],
    ids=json.dumps)
def test_what_may_not_change_says_what_to_do(crd, job, patch):
    done = change(crd, job, {"spec": patch})
    assert done.returncode != 0
    assert "delete the job and apply it again" in done.stderr or "names no output" in done.stderr


def test_applying_again_changes_nothing(crd, job):
    before = crd.get("pj", job)["metadata"]
    manifest = crd_manifests.manifest("sample", {"spec/instanceCount": 2,
                                                 "spec/retrySettings/maxRetries": 3})
    assert "unchanged" in crd.apply(manifest).stdout
    after = crd.get("pj", job)["metadata"]
    assert (before["resourceVersion"], before["generation"]) == (
        after["resourceVersion"], after["generation"])


def test_the_status_is_a_subresource(crd, job):
    change(crd, job, {"status": {"state": "Complete"}})
    assert "state" not in crd.get("pj", job)["status"]
    refused = change(crd, job, {"status": {"retries": -1}}, "--subresource=status")
    assert refused.returncode != 0
