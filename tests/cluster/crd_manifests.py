"""Good and bad manifests: what the API server and our own validator say of them must agree.

A case: (name, changes, what is right). `changes`: path of the manifest → value; GONE removes it.
The verdict is GOOD, BAD, or OURS: only our validator refuses it. Those are
- what follows from inputData, which names inputs by a text or a list, a type that CEL cannot see;
- what stands inside programArguments;
- null, which the API server takes for "not set" where a field is optional; in a file of one's own
  it is a key whose value was forgotten;
- labels of the operator's own prefix, and control characters in names of variables.
Files (the entry script, the code folder) only the validator can look at.
"""

import copy
import itertools

GOOD, BAD, OURS = "good", "bad", "refused by our validator only"
GONE = object()
CLAIM = {"persistentVolumeClaim": {"claimName": "data"}}
INT_MAX = 2147483647
DAYS = 259200
BASE = {
    "apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
    "metadata": {"name": "base"},
    "spec": {
        "inputs": [{"name": "data", "type": "uri_folder", "path": "in", "volume": CLAIM},
                   {"name": "limit", "value": "5"}],
        "outputs": [{"name": "rows", "type": "uri_file", "path": "rows.csv", "volume": CLAIM}],
        "inputData": "${{inputs.data}}",
        "task": {"code": {"image": "/app"}, "entryScript": "score.py",
                 "environment": {"image": "registry.example/score:1"},
                 "appendRowTo": "${{outputs.rows}}"}}}


def manifest(name, changes):
    """BASE with changes; called `name` unless a change says otherwise."""
    made = copy.deepcopy(BASE)
    made["metadata"]["name"] = name
    for path, value in changes.items():
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        at = made
        for key in parents:
            at = at[key] if isinstance(key, int) else at.setdefault(key, {})
        if value is GONE:
            del at[last]
        else:
            at[last] = value
    return made


def each(path, verdict, *values):
    return [({path: value}, verdict) for value in values]


def integers(path, least, most):
    return (each(f"spec/{path}", GOOD, least, most)
            + each(f"spec/{path}", BAD, least - 1, most + 1, "5", 1.5, True, [1])
            + each(f"spec/{path}", OURS, None))


def data_cases():
    inputs, path = "spec/inputs", "spec/inputs/0/path"
    literal = {"name": "data", "value": 5}
    folder = {"name": "more", "path": "p", "volume": CLAIM}
    return [
        *each("spec/inputs/0/type", GOOD, "mltable", "uri_file", "custom_model", GONE),
        *each("spec/inputs/0/type", BAD, "table", "", 5),
        *each("spec/inputs/0/type", OURS, None),
        *each("spec/inputs/0/mode", GOOD, "ro_mount", "download", "direct"),
        *each("spec/inputs/0/mode", BAD, "rw_mount", "eval_mount"),
        *each("spec/inputs/0/name", BAD, "", "a b", "5a", "-a", "a" * 64, GONE, "data.x"),
        ({"spec/inputs/0/name": "Data_1-x", "spec/inputData": "${{inputs.Data_1-x}}"}, GOOD),
        *each(path, GOOD, "a/b..c", "..a/b", "a" * 1024, GONE),
        *each(path, BAD, "/a", "../a", "a/..", "a/../b", "", "a" * 1025, "x\ny", "x\u007fy",
              "https://example.org/a", "azureml:data:1", 5),
        ({path: "folder", "spec/inputs/0/volume": GONE}, GOOD),
        ({path: "/data", "spec/inputs/0/volume": GONE}, GOOD),
        ({path: GONE, "spec/inputs/0/volume": GONE}, BAD),
        *each("spec/inputs/1/value", GOOD, "x", 5, 1.5, True, "", "a" * 1024),
        *each("spec/inputs/1/value", BAD, {"a": 1}, ["a"], "a" * 1025),
        ({"spec/inputs/1": {"name": "limit", "value": "5", "path": "x"}}, BAD),
        ({"spec/inputs/1": {"name": "limit", "value": "5", "type": "uri_file"}}, BAD),
        ({"spec/inputs/1": {"name": "limit"}}, BAD),
        ({"spec/inputs/1/color": "red"}, BAD),
        ({"spec/inputs/1": folder | {"name": "data"}}, BAD),
        ({inputs: [BASE["spec"]["inputs"][0], *[folder | {"name": f"i{n}"} for n in range(63)]]},
         GOOD),
        ({inputs: [BASE["spec"]["inputs"][0], *[folder | {"name": f"i{n}"} for n in range(64)]]},
         BAD),
        ({inputs: {"data": folder}}, BAD),
        ({inputs: [literal]}, OURS),  # inputData names a literal
        ({"spec/inputData": ["${{inputs.data}}"]}, GOOD),
        ({"spec/inputData": ["${{inputs.data}}", "${{inputs.more}}"], "spec/inputs/1": folder},
         GOOD),
        ({"spec/inputData": " ${{ inputs.data }} "}, GOOD),
        *each("spec/inputData", BAD, "data", "", [], GONE, 5, True, {"name": "data"},
              "${{outputs.rows}}", "${{inputs.}}", "${{inputs.data}}x", None),
        *each("spec/inputData", OURS, "${{inputs.other}}", ["data"], [5],
              ["${{inputs.data}}", "${{inputs.data}}"]),
        ({"spec/inputData": ["${{inputs.data}}", "${{inputs.more}}"],
          "spec/inputs/1": folder | {"type": "mltable"}}, OURS),
    ]


def output_cases():
    at = "spec/outputs/0"
    return [
        *each(f"{at}/type", GOOD, "uri_folder", "mltable"),
        *each(f"{at}/type", BAD, "file"),
        *each(f"{at}/mode", GOOD, "rw_mount", "upload", "direct"),
        *each(f"{at}/mode", BAD, "ro_mount"),
        *each(f"{at}/format", GOOD, "text", "csv", "jsonl"),
        *each(f"{at}/format", BAD, "parquet", "json"),
        *each(f"{at}/path", GOOD, "a/b", GONE),
        *each(f"{at}/path", BAD, "../a", "/a", "rows.parquet", "wasbs://x/y", ""),
        ({f"{at}/path": "rows.parquet", f"{at}/format": "csv"}, GOOD),
        *each(f"{at}/header", GOOD, True, False),
        *each(f"{at}/header", BAD, "true", 1),
        ({f"{at}/header": True, f"{at}/format": "jsonl"}, BAD),
        ({f"{at}/volume": GONE}, GOOD),
        ({f"{at}/name": ""}, BAD),
        ({f"{at}/path": "../a", f"{at}/volume": GONE}, BAD),
        ({"spec/outputs": GONE}, BAD),
        ({"spec/outputs": GONE, "spec/task/appendRowTo": GONE}, GOOD),
        *each("spec/task/appendRowTo", BAD, "rows", "${{outputs.other}}", "${{inputs.data}}", ""),
        *each("spec/task/appendRowTo", GOOD, "${{ outputs.rows }}", "\t${{outputs.rows}}"),
    ]


def setting_cases():
    cases = []
    for path, least, most in (
            ("instanceCount", 0, INT_MAX), ("maxConcurrencyPerInstance", 1, INT_MAX),
            ("retrySettings/maxRetries", 0, INT_MAX), ("retrySettings/timeoutSeconds", 1, DAYS),
            ("miniBatchErrorThreshold", -1, INT_MAX), ("errorThreshold", -1, INT_MAX),
            ("allowedFailedPercent", 0, 100), ("taskOverheadTimeoutSeconds", 1, DAYS),
            ("initTimeoutSeconds", 1, DAYS), ("progressUpdateTimeoutSeconds", 1, DAYS),
            ("firstTaskCreationTimeoutSeconds", 1, DAYS),
            ("resourceMonitorIntervalSeconds", 0, INT_MAX), ("activeDeadlineSeconds", 1, INT_MAX),
            ("ttlSecondsAfterFinished", 0, INT_MAX)):
        cases += integers(path, least, most)
    return cases + [
        *each("spec/loggingLevel", GOOD, "DEBUG", "WARNING"),
        *each("spec/loggingLevel", BAD, "debug", "ERROR", ""),
        *each("spec/successPolicy", GOOD, "Auto", "RowCount", "NoException"),
        *each("spec/successPolicy", BAD, "auto"),
        *each("spec/logs", GOOD, "keep", "none"),
        *each("spec/logs", BAD, "all"),
        *each("spec/copyLogsToParent", GOOD, True),
        *each("spec/copyLogsToParent", BAD, "yes", 0),
        *each("spec/suspend", GOOD, True, False),
        *each("spec/suspend", BAD, "true"),
        *each("spec/cancel", GOOD, True, False),
        *each("spec/cancel", BAD, "true"),
        *each("spec/managedBy", GOOD, "kueue.x-k8s.io/multikueue"),
        *each("spec/managedBy", BAD, "me", "", "a/" + "b" * 62),
        *each("spec/rerun", BAD, "2"),
        *each("spec/rerunPolicy", BAD, "All", "FailedOnly"),
        *each("spec/retrySettings", BAD, {"retries": 3}, [], "2"),
        *each("spec/retrySettings", GOOD, {}),
        *each("spec/miniBatchSize", GOOD, 1, 5, "5", "005", 10**18 - 1),
        *each("spec/miniBatchSize", BAD, 0, -1, "0", "0kb", "", "5 kb", "1.5kb", "10kib", "-5",
              10**18, True, ["5"], "1000000000gb"),
        *each("spec/miniBatchSize", OURS, "10kb", "500rows", None),  # of a list of files
        *[({"spec/inputs/0/type": "mltable", "spec/miniBatchSize": size}, GOOD)
          for size in ("100b", "10kb", "1MB", "2Gb", "500rows", "999999999gb", 5)],
        ({"spec/inputs/0/type": "mltable", "spec/inputs/0/mode": "direct",
          "spec/miniBatchSize": 5}, OURS),
        *each("spec/partitionKeys", GOOD, ["Store"], ["Store", "Brand"], []),
        *each("spec/partitionKeys", BAD, "Store", [""], ["a", "a"], [5],
              [f"k{n}" for n in range(65)]),
        ({"spec/partitionKeys": ["Store"], "spec/miniBatchSize": 5}, BAD),
        *each("spec/colour", BAD, "red"),
    ]


def task_cases():
    task, code = "spec/task", "spec/task/code"
    return [
        *each(f"{task}/type", GOOD, "run_function"),
        *each(f"{task}/type", BAD, "function", ""),
        *each(f"{task}/entryScript", GOOD, "pkg.module"),
        *each(f"{task}/entryScript", BAD, "", GONE, 5, None),
        *each(code, GOOD, {"local": "src"}, {"configMap": {"name": "code"}},
              {"configMap": {"name": "code", "items": [{"key": "a", "path": "b/a"}]}},
              {"archive": {"configMaps": ["a", "b"]}},
              {"volume": CLAIM}, {"volume": CLAIM | {"path": "src"}}),
        *each(code, BAD, {}, GONE, "src", {"local": ""}, {"git": {"url": "x"}},
              {"local": "src", "image": "/app"}, {"configMap": {}}, {"configMap": {"name": ""}},
              {"archive": {}}, {"archive": {"configMaps": []}}, {"archive": {"configMaps": [""]}},
              {"archive": {"configMaps": "a"}}, {"archive": {"name": "a"}},
              {"volume": {"path": "src"}}, {"volume": CLAIM | {"emptyDir": {}}},
              {"volume": {"hostPath": {"path": "/"}}}, {"local": "https://example.org/x"}),
        *each(f"{task}/environment", GOOD, {}, {"pip": ["numpy==2", "pandas"]},
              {"condaFile": "name: x\ndependencies: []\n"}, {"variables": {"A": "1", "B": ""}}),
        *each(f"{task}/environment", BAD, {"pip": [""]}, {"pip": "numpy"}, {"pip": ["a\nb"]},
              {"image": ""}, {"image": "a\nb"}, {"variables": {"A": 1}},
              {"variables": {"A=B": "1"}}, {"variables": {"": "1"}}, {"conda_file": "x"},
              {"pip": [f"p{n}" for n in range(65)]}),
        *each(f"{task}/programArguments", GOOD, "--model ${{inputs.data}} --x 1", "",
              "--error_threshold 5"),
        *each(f"{task}/programArguments", BAD, "x" * 16385, 5),
        *each(f"{task}/programArguments", OURS, "${{inputs.none}}", "--error_threshold many",
              "'unclosed"),
        *each("spec/environmentVariables", GOOD, {"A": "1"}, {},
              {f"A{n}": "1" for n in range(256)}),
        *each("spec/environmentVariables", BAD, {"A": 1}, {"A=B": "1"}, ["A=1"],
              {f"A{n}": "1" for n in range(257)}),
        *each("spec/environmentVariables", OURS, {"A\nB": "1"}, {"A": None}),
    ]


def token(changes):
    """A volume with a token for somebody else than the API server."""
    made = {"audience": "vault", "path": "token"} | changes
    kept = {key: value for key, value in made.items() if value is not GONE}
    return {"projected": {"sources": [{"serviceAccountToken": kept}]}}


def pod_cases():
    pod = "spec/podTemplate"
    good = [
        {"resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"nvidia.com/gpu": 1}}},
        {"nodeSelector": {"disk": "ssd"}},
        {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}]},
        {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
        {"env": [{"name": "A", "value": "1"},
                 {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        {"envFrom": [{"configMapRef": {"name": "a"}},
                     {"prefix": "X_", "secretRef": {"name": "b"}}]},
        {"volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}]},
        {"serviceAccountName": "trainer", "imagePullSecrets": [{"name": "key"}],
         "priorityClassName": "low", "runtimeClassName": "nvidia"},
        {"labels": {"team": "a"}, "annotations": {"note": "x"}}, {}]
    bad = [
        {"hostNetwork": True}, {"containers": []}, {"securityContext": {"runAsUser": 0}},
        {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, {"volumes": [{"name": "a"}]},
        {"volumes": [{"emptyDir": {}}]}, {"volumes": {"a": {"emptyDir": {}}}},
        {"volumes": [{"name": "a", "emptyDir": {}, "configMap": {"name": "b"}}]},
        {"tolerations": [{"operator": "Like"}]}, {"tolerations": [{"seconds": 5}]},
        {"env": [{"value": "1"}]}, {"env": [{"name": "A", "value": 1}]}, {"env": [{"name": ""}]},
        {"resources": {"limits": {"cpu": 1.5}}}, {"resources": {"cpu": 1}},
        {"nodeSelector": {"a": 1}}, {"nodeSelector": ["a"]}, {"affinity": "x"},
        {"envFrom": [{"configMapRef": {}}]}, {"serviceAccountName": 5}]
    volumes_good = [
        {"csi": {"driver": "x.example", "volumeAttributes": {"share": "a"}}},
        {"nfs": {"server": "host", "path": "/export"}}, {"image": {"reference": "a/b:1"}},
        {"configMap": {"name": "a", "items": [{"key": "k", "path": "p", "mode": 292}]}},
        {"secret": {"secretName": "a", "defaultMode": 256}}, {"emptyDir": {}},
        {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
        {"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}},
        *[token(more) for more in ({}, {"expirationSeconds": 600})],
        {"persistentVolumeClaim": {"claimName": "a", "readOnly": True}}]
    volumes_bad = [
        {}, {"hostPath": {"path": "/"}}, CLAIM | {"emptyDir": {}}, {"persistentVolumeClaim": {}},
        {"persistentVolumeClaim": {"claimName": ""}}, {"persistentVolumeClaim": "data"},
        {"persistentVolumeClaim": {"claim": "x"}}, {"nfs": {"server": "host"}},
        {"awsElasticBlockStore": {"volumeID": "x"}},
        {"configMap": {"name": "a", "defaultMode": 512}},
        {"image": {"reference": "a", "pullPolicy": "Sometimes"}}, {"csi": {}}, "data",
        *[token(more) for more in ({"audience": GONE}, {"audience": ""}, {"audience": 5},
                                   {"expirationSeconds": 599}, {"path": GONE}, {"name": "x"})]]
    return [*each(pod, GOOD, *good), *each(pod, BAD, *bad, "x"), *each(pod, OURS, None),
            *each("spec/inputs/0/volume", GOOD, *volumes_good),
            *each("spec/inputs/0/volume", BAD, *volumes_bad),
            *each("spec/inputs/0/volume", OURS, None),
            *each("spec/work", GOOD, {"volume": CLAIM}, {}),
            *(case for at in ("spec/outputs/0/volume", "spec/work/volume") for case in (
                *each(at, GOOD, {"nfs": {"server": "host", "path": "/export"}},
                      {"csi": {"driver": "x.example", "readOnly": False}}),
                *each(at, BAD, {"emptyDir": {}}, {"configMap": {"name": "a"}},
                      {"secret": {"secretName": "a"}}, {"image": {"reference": "a/b:1"}},
                      {"persistentVolumeClaim": {"claimName": "a", "readOnly": True}},
                      {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}))),
            *each("spec/work", BAD, {"volume": {}}, {"claim": "x"})]


def object_cases():
    return [
        *each("metadata/name", GOOD, "a", "5", "a-5", "x" * 52),
        *each("metadata/name", BAD, "A", "a_b", "a.b", "-a", "a-", "y" * 53),
        *each("metadata/labels", GOOD, {"team": "a"}, {"example.org/team": ""}),
        *each("metadata/labels", BAD, {"team": "a b"}, {"a b": "c"}, {"/a": "b"}, {"a": 5},
              {"UPPER.org/a": "b"}),
        *each("metadata/labels", OURS, {"paralleljob.dev/job": "other"}),
        *each("metadata/annotations", GOOD, {"note": "any text, really"}),
        *each("metadata/annotations", BAD, {"a b": "c"}, {"a": 5}),
        *each("spec", BAD, GONE, {}, [], "x"),
        *each("surprise", BAD, 5),
    ]


def cases():
    """[(name, manifest, verdict)]; names tell them apart."""
    number = itertools.count(1)
    made = []
    for make in (data_cases, output_cases, setting_cases, task_cases, pod_cases, object_cases):
        for changes, verdict in make():
            name = changes.get("metadata/name") or f"case-{next(number)}"
            made.append((name, manifest(name, changes), verdict, str(changes)[:150]))
    return made
