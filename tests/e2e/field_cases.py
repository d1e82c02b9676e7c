"""The table: every field of a manifest, and how a run shows that it has an effect."""

import json

import field_scripts as scripts
from field_jobs import Case

ROWS = {"rows": {"type": "uri_file", "path": "some/where/found.txt"}}
APPEND = {"outputs": ROWS, "task": {"append_row_to": "${{outputs.rows}}"}}
ENVIRONMENT = {"environment_variables": {"OF_JOB": "FOLDER"}}


def appends(path="some/where/found.txt", **more):
    """Manifest: an output that collects what run() returns."""
    return {"outputs": [{"name": "rows", "type": "uri_file", "path": path, **more}],
            "task": {"appendRowTo": "${{outputs.rows}}"}}


def seen(ran):
    """What LOOKS says of the first mini-batch."""
    return json.loads(ran.rows()[0])


def word_behind(ran, flag):
    words = seen(ran)["argv"]
    return words[words.index(flag) + 1]


def ends(state, reason):
    return lambda r: (r.summary["state"], r.summary["reason"]) == (state, reason)


def attempts(status, count):
    return lambda r: len(r.attempts(status)) == count


def failing(field, spec, azure, reason):
    """A threshold; without it, the same job is complete ("tolerant" below)."""
    state = "Complete" if reason == "Complete" else "Failed"
    return Case({field: ends(state, reason)}, script=scripts.FAILS, azure=azure,
                code=0 if reason == "Complete" else 1,
                spec={"retrySettings": {"maxRetries": 0}, **spec})


NO_RETRY = {"retry_settings": {"max_retries": 0}}

CASES = {
    "surroundings": Case(
        {"metadata.name": lambda r: r.summary["job"] == seen(r)["job"] == "effects",
         "metadata.labels": lambda r: r.azure or r.stored()["metadata"]["labels"]["team"] == "blue",
         "metadata.annotations": lambda r: r.stored()["metadata"]["annotations"][
             "paralleljob.dev/description"] == "said",
         "spec.inputs[].name": lambda r: "${{" not in word_behind(r, "--words"),
         "spec.inputs[].value": lambda r: word_behind(r, "--words") == "a word",
         "spec.inputs[].path": lambda r: word_behind(r, "--side") == str(
             r.cli.folder / "data" / "3.txt"),
         "spec.inputData": lambda r: seen(r)["paths"][0] == str(r.cli.folder / "data" / "0.txt"),
         "spec.outputs[].name": lambda r: r.output("models").is_dir(),
         "spec.outputs[].type": lambda r: r.output().is_file(),
         "spec.outputs[].path": lambda r: r.output() == r.cli.out / (
             "steps/score/" if r.azure else "") / "outputs" / "rows" / "found.txt",
         "spec.miniBatchSize": lambda r: r.summary["miniBatches"]["total"] == 2,
         "spec.instanceCount": lambda r: {p.name for p in (r.logs / "sys" / "node").iterdir()} == {
             "instance-0", "instance-1"},
         "spec.maxConcurrencyPerInstance": lambda r: r.slots("instance-0") == {"0", "1"},
         "spec.resourceMonitorIntervalSeconds": lambda r: (
             r.logs / "sys/perf/instance-0/node_resource_usage.csv").is_file(),
         "spec.loggingLevel": lambda r: "a line for debugging" in r.text(
             "user/entry_script_log/*/*.txt") and " debug " in r.ended.err,
         "spec.task.code.local": lambda r: seen(r)["helper"] == "beside the script",
         "spec.task.entryScript": lambda r: r.summary["state"] == "Complete",
         "spec.task.programArguments": lambda r: len(seen(r)["argv"]) == 6,
         "spec.task.appendRowTo": lambda r: len(r.rows()) == 6,
         "spec.environmentVariables": lambda r: seen(r)["env"][0] == "of the job",
         "spec.task.environment.variables": lambda r: seen(r)["env"][1] == "of the environment"},
        script=scripts.LOOKS,
        metadata={"labels": {"team": "blue"},
                  "annotations": {"paralleljob.dev/description": "said"}},
        spec={
            "inputs": [{"name": "words", "value": "a word"},
                       {"name": "side", "type": "uri_file", "path": "data/3.txt"},
                       {"name": "files", "type": "uri_folder", "path": "data"}],
            "outputs": [{"name": "rows", "type": "uri_file", "path": "some/where/found.txt"},
                        {"name": "models", "type": "uri_folder"}],
            "miniBatchSize": 3, "instanceCount": 2, "maxConcurrencyPerInstance": 2,
            "loggingLevel": "DEBUG", "resourceMonitorIntervalSeconds": 3600,
            "environmentVariables": {"OF_JOB": "of the job"},
            "task": {
                "code": {"local": "other"}, "entryScript": "inner.other",
                "environment": {"variables": {"OF_ENVIRONMENT": "of the environment"}},
                "programArguments": "--words ${{inputs.words}} --side ${{inputs.side}} "
                                    "--models ${{outputs.models}}",
                "appendRowTo": "${{outputs.rows}}"}},
        pipeline={"description": "said"},
        azure={"step": {
            "inputs": {"words": "a word", "side": {"type": "uri_file", "path": "./data/3.txt"},
                       "files": {"type": "uri_folder", "path": "./data"}},
            "outputs": {**ROWS, "models": {"type": "uri_folder"}},
            "mini_batch_size": "3", "resources": {"instance_count": 2},
            "max_concurrency_per_instance": 2, "logging_level": "debug",
            "environment_variables": {"OF_JOB": "of the job"},
            "task": {
                "code": "./other", "entry_script": "inner.other",
                "environment": {"environment_variables": {"OF_ENVIRONMENT": "of the environment"}},
                "append_row_to": "${{outputs.rows}}"},
            "flags": "--words ${{inputs.words}} --side ${{inputs.side}} --models "
                     "${{outputs.models}} --resource_monitor_interval 3600"}}),
    "quiet": Case(
        {"spec.loggingLevel": lambda r: "a line to" not in r.text("user/entry_script_log/*/*.txt"),
         "spec.resourceMonitorIntervalSeconds": lambda r: not (r.logs / "sys" / "perf").exists(),
         "spec.maxConcurrencyPerInstance": lambda r: r.slots("instance-0") == {"0", "1"},
         "spec.inputs[].mode": lambda r: "/inputs/files/data/0.txt" in seen(r)["paths"][0],
         "spec.outputs[].type": lambda r: r.output().name == "parallel_run_step.txt",
         "spec.copyLogsToParent": lambda r: (
             (r.cli.out / "logs" / "score" / "job_result.txt").is_file() if r.azure
             else r.ended.err.count("note: spec.copyLogsToParent ") == 1)},
        script=scripts.LOOKS,
        spec={"inputs": [{"name": "files", "type": "uri_folder", "path": "data",
                          "mode": "download"}],
              "outputs": [{"name": "rows", "type": "uri_folder"}],
              "loggingLevel": "WARNING", "resourceMonitorIntervalSeconds": 0,
              "maxConcurrencyPerInstance": 2, "copyLogsToParent": True,
              "task": {"appendRowTo": "${{outputs.rows}}"}},
        azure={"flags": {
            "inputs": {"files": {"mode": "download"}}, "outputs": {"rows": {"type": "uri_folder"}},
            "logging_level": "WARNING", "task": {"append_row_to": "${{outputs.rows}}"},
            "max_concurrency_per_instance": None,
            "flags": "--copy_logs_to_parent True --resource_monitor_interval=0 "
                     "--process_count_per_node 2"}}),
    "keys": Case(
        {"spec.inputs[].type": lambda r: r.summary["miniBatches"]["total"] == 2,
         "spec.partitionKeys": lambda r: seen(r)["keys"] == {"Region": "north"}
         and len(seen(r)["paths"]) == 4},
        script=scripts.LOOKS,
        spec={"inputs": [{"name": "files", "type": "mltable", "path": "table"}],
              "miniBatchSize": None, "partitionKeys": ["Region"], **appends()},
        azure={"step": {"inputs": {"files": {"type": "mltable", "path": "./table"}},
                        "mini_batch_size": None, "partition_keys": ["Region"], **APPEND}}),
    "header": Case(
        {"spec.outputs[].header": lambda r: r.rows()[:2] == ["colour count", "red 1"]},
        script=scripts.FRAMES, spec=appends(header=True),
        azure={"flag": {**APPEND, "flags": "--append_row_dataframe_header"}}),
    "no header": Case(
        {"spec.outputs[].header": lambda r: r.rows() == ["red"] * 6}, script=scripts.DICTS,
        spec=appends("found.csv", header=False)),
    "lines of JSON": Case(
        {"spec.outputs[].format": lambda r: r.rows() == ['{"colour": "red"}'] * 6},
        script=scripts.DICTS, spec=appends("found.csv", format="jsonl")),
    "retries": Case(
        {"spec.retrySettings.maxRetries": attempts("RUN_EXCEPTION", 2)},
        script=scripts.FAILS, spec={"retrySettings": {"maxRetries": 1}},
        azure={"retry_settings": {"retry_settings": {"max_retries": 1}},
               "of its own": {"mini_batch_max_retries": 1}}),
    "timeout": Case(
        {"spec.retrySettings.timeoutSeconds": attempts("RUN_TIMEOUT", 1)}, script=scripts.HANGS,
        spec={"retrySettings": {"maxRetries": 0, "timeoutSeconds": 1}},
        azure={"retry_settings": {"retry_settings": {"max_retries": 0, "timeout": 1}},
               "of its own": {"mini_batch_max_retries": 0, "mini_batch_timeout": 1}}),
    "tolerant": failing("spec.miniBatchErrorThreshold", {"miniBatchErrorThreshold": -1},
                        {"step": {**NO_RETRY, "mini_batch_error_threshold": -1}}, "Complete"),
    "failed mini-batches": failing(
        "spec.miniBatchErrorThreshold", {"miniBatchErrorThreshold": 0},
        {"step": {**NO_RETRY, "mini_batch_error_threshold": 0},
         "flag": {**NO_RETRY, "flags": "--allowed_failed_count 0"}},
        "MiniBatchErrorThresholdExceeded"),
    "failed items": failing(
        "spec.errorThreshold", {"errorThreshold": 1},
        {"step": {**NO_RETRY, "error_threshold": 1},
         "flag": {**NO_RETRY, "flags": "--error_threshold=1"}}, "ErrorThresholdExceeded"),
    "failed percent": failing(
        "spec.allowedFailedPercent", {"allowedFailedPercent": 33},
        {"flag": {**NO_RETRY, "flags": "--allowed_failed_percent 33"}},
        "AllowedFailedPercentExceeded"),
    "loading": Case(
        {"spec.taskOverheadTimeoutSeconds": attempts("LOAD_TIMEOUT", 1)},
        script=scripts.LOADS_SLOWLY,
        spec={"taskOverheadTimeoutSeconds": 1, "retrySettings": {"maxRetries": 0},
              "environmentVariables": {"OF_JOB": "FOLDER"}},
        azure={"flag": {**NO_RETRY, **ENVIRONMENT, "flags": "--task_overhead_timeout 1"}}),
    "init": Case(
        {"spec.initTimeoutSeconds": lambda r: "init() did not return within 1 s" in r.text(
            "sys/node/*/*.txt") and r.summary["state"] == "Complete"},
        script=scripts.INIT_HANGS,
        spec={"initTimeoutSeconds": 1, "environmentVariables": {"OF_JOB": "FOLDER"}}),
    "progress": Case(
        {"spec.progressUpdateTimeoutSeconds": ends("Failed", "ProgressTimeout")},
        script=scripts.ENDS_SLOWLY, code=1,
        spec={"progressUpdateTimeoutSeconds": 1, "retrySettings": {"maxRetries": 1}},
        azure={"flag": {"retry_settings": {"max_retries": 1},
                        "flags": "--progress_update_timeout 1"}}),
    "first mini-batch": Case(
        {"spec.firstTaskCreationTimeoutSeconds": ends("Failed", "FirstTaskCreationTimeout")},
        script=scripts.STARTS_SLOWLY, code=1, spec={"firstTaskCreationTimeoutSeconds": 1},
        azure={"flag": {"flags": "--first_task_creation_timeout 1"}}),
    "deadline": Case(
        {"spec.activeDeadlineSeconds": ends("Failed", "DeadlineExceeded")},
        script=scripts.HANGS, code=1, spec={"activeDeadlineSeconds": 1}),
    "rows are counted": Case(
        {"spec.successPolicy": attempts("RUN_SHORT", 3)}, script=scripts.SHORT,
        spec={"successPolicy": "RowCount", "retrySettings": {"maxRetries": 0}}),
    "rows are not counted": Case(
        {"spec.successPolicy": attempts("RUN_DONE", 3)}, script=scripts.SHORT,
        spec={"successPolicy": "NoException", **appends()}),
    "packages": Case(
        {"spec.task.environment.condaFile": lambda r: r.summary["state"] == "Complete",
         "spec.task.environment.pip": lambda r: r.rows() == ["one_wheeltwo_wheel"] * 6},
        script=scripts.IMPORTS, words=("--env", "venv"),
        spec={**appends(), "task": {"appendRowTo": "${{outputs.rows}}", "environment": {
            "pip": ["FOLDER/two_wheel-1-py3-none-any.whl"],
            "condaFile": "dependencies:\n- pip:\n  - --no-index\n  - -r more.txt\n"
                         "  - ./one_wheel-1-py3-none-any.whl\n"}}},
        azure={"step": {**APPEND, "task": {
            "append_row_to": "${{outputs.rows}}",
            "environment": {"conda_file": {"dependencies": [{"pip": [
                "FOLDER/two_wheel-1-py3-none-any.whl", "--no-index", "-r more.txt",
                "./one_wheel-1-py3-none-any.whl"]}]}}}}}),
}

# What only a cluster knows: a job that has all of it runs, and one note for each says so. The
# notes name list items by their names.
CLUSTER = {
    "metadata.namespace": {"metadata": {"namespace": "batch"}},
    "spec.outputs[].volume": {"spec": {"outputs": [
        {"name": "rows", "path": "x", "volume": {"nfs": {"server": "h", "path": "/e"}}}]}},
    "spec.task.environment.image": {"spec": {"task": {"environment": {"image": "example/x:1"}}}},
    "spec.podTemplate": {"spec": {"podTemplate": {"resources": {"limits": {"cpu": 1}}}}},
    "spec.work.volume": {"spec": {"work": {"volume": {"nfs": {"server": "h", "path": "/e"}}}}},
    "spec.logs": {"spec": {"logs": "none"}},
    "spec.suspend": {"spec": {"suspend": True}},
    "spec.cancel": {"spec": {"cancel": True}},
    "spec.managedBy": {"spec": {"managedBy": "example.com/queue"}},
    "spec.ttlSecondsAfterFinished": {"spec": {"ttlSecondsAfterFinished": 60}},
}
# Azure's words for what is always done in one way: field → values that a warning says so of.
TAKEN_FOR_ANOTHER = {"spec.outputs[].mode": ("upload", "direct")}
# The same from Azure: key of a step → the field that the note names.
CLUSTER_AZURE = {
    "spec.task.environment.image": {"task": {"environment": {"image": "example/x:1"}}},
    "spec.podTemplate": {"resources": {"shm_size": "2g"}},
}
# Azure's flags that mean nothing here: a note each, too.
NO_EFFECT = ("--metrics_name_prefix x", "--push_metrics_to_parent True")

# What only a cluster can reach: refused, with the way out.
ELSEWHERE = {
    "spec.inputs[].volume": ({"inputs": [{"name": "files", "path": "x",
                                          "volume": {"emptyDir": {}}}]}, "--input files=PATH"),
    "spec.task.code.configMap": ({"task": {"code": {"configMap": {"name": "x"}}}}, "code: {local"),
    "spec.task.code.archive": ({"task": {"code": {"archive": {"configMaps": ["x"]}}}},
                               "code: {local"),
    "spec.task.code.volume": ({"task": {"code": {"volume": {"emptyDir": {}}}}}, "code: {local"),
    "spec.task.code.image": ({"task": {"code": {"image": "/code"}}}, "code: {local"),
}

# What a later version brings: refused everywhere.
LATER = {
    "spec.task.code.git": {"task": {"code": {"git": {"url": "https://example.com/x.git"}}}},
    "spec.rerun": {"rerun": "again"},
    "spec.rerunPolicy": {"rerunPolicy": "FailedOnly"},
}
LATER_FORMAT = {"spec.outputs[].format": {"outputs": [
    {"name": "rows", "type": "uri_file", "format": "parquet"}]}}

# Another value than the only one there is: refused.
FIXED = {"apiVersion": {"apiVersion": "paralleljob.dev/v9"}, "kind": {"kind": "Job"},
         "spec.task.type": {"spec": {"task": {"type": "command"}}}}
