#include "api/fields.h"

#include <fmt/core.h>

#include "base/limits.h"

namespace pj::api {
namespace {

using limits::kIntMax;
using limits::kMaxTimeoutSeconds;
using T = FieldType;

#define PJ_SLOT(member) [](ParallelJobSpec& s) -> IntSlot { return &s.member; }

constexpr std::string_view kDataTypes =
    "uri_file uri_folder mltable mlflow_model custom_model triton_model";

const Field kFields[] = {
    {"apiVersion", "", T::kChoice, "", "version of this format", 0, 0, kApiVersion, true},
    {"kind", "", T::kChoice, "", "kind of this document", 0, 0, kKind, true},
    {"metadata", "", T::kObject, "", "name and labels", 0, 0, {}, true},
    {"metadata.name", "name", T::kText, "", "name of the job", 0, 0, {}, true},
    {"metadata.namespace",
     "",
     T::kText,
     "of the context",
     "namespace of the job",
     0,
     0,
     {},
     false,
     false,
     true},
    {"metadata.labels", "", T::kTextMap, "", "labels of the job"},
    {"metadata.annotations", "", T::kTextMap, "", "annotations of the job"},
    {"spec", "", T::kObject, "", "what to run", 0, 0, {}, true},

    {"spec.inputs", "inputs", T::kObjectList, "", "data and literals that the job reads"},
    {"spec.inputs[].name", "inputs.<n>", T::kText, "", "name of the input", 0, 0, {}, true},
    {"spec.inputs[].type", "inputs.<n>.type", T::kChoice, "uri_folder", "kind of the data", 0, 0,
     kDataTypes},
    {"spec.inputs[].path", "inputs.<n>.path", T::kText, "",
     "path below the volume, or a local one"},
    {"spec.inputs[].mode", "inputs.<n>.mode", T::kChoice, "ro_mount; direct for a table",
     "download copies the data to local scratch before init()", 0, 0, "ro_mount download direct"},
    {"spec.inputs[].volume",
     "",
     T::kVolume,
     "",
     "Kubernetes volume source that holds the data",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.inputs[].value", "inputs.<n>", T::kLiteral, "", "a literal: text, number or boolean"},

    {"spec.outputs", "outputs", T::kObjectList, "", "what the job writes"},
    {"spec.outputs[].name", "outputs.<n>", T::kText, "", "name of the output", 0, 0, {}, true},
    {"spec.outputs[].type", "outputs.<n>.type", T::kChoice, "uri_folder", "file or folder", 0, 0,
     kDataTypes},
    {"spec.outputs[].path", "outputs.<n>.path", T::kText, "",
     "path below the volume; its base name "
     "names the file of a local run"},
    {"spec.outputs[].mode", "outputs.<n>.mode", T::kChoice, "rw_mount",
     "how the output is brought to its volume", 0, 0, "rw_mount upload direct"},
    {"spec.outputs[].volume",
     "",
     T::kVolume,
     "",
     "Kubernetes volume source to write to",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.outputs[].format", "", T::kChoice, "by the extension of path",
     "format of the appended rows", 0, 0, "text csv jsonl parquet"},
    {"spec.outputs[].header", "--append_row_dataframe_header", T::kBoolean, "true for csv",
     "column names as the first line of the appended rows"},

    {"spec.inputData",
     "input_data",
     T::kTextOrList,
     "",
     "the input that is split: ${{inputs.NAME}}, or a list of them",
     0,
     0,
     {},
     true},
    {"spec.miniBatchSize", "mini_batch_size", T::kIntOrText, "10 files, 1 MB of a table",
     "files of a mini-batch (5), or bytes (10kb) or rows (500rows) of a table"},
    {"spec.partitionKeys", "partition_keys", T::kTextList, "",
     "keys of the data: one mini-batch for each combination of their values"},
    {"spec.instanceCount",
     "resources.instance_count",
     T::kInteger,
     "1",
     "worker pods",
     0,
     kIntMax,
     {},
     false,
     true,
     false,
     PJ_SLOT(instance_count)},
    {"spec.maxConcurrencyPerInstance",
     "max_concurrency_per_instance",
     T::kInteger,
     "1 with a GPU, else the cores",
     "Python processes of a worker",
     1,
     kIntMax,
     {},
     false,
     false,
     false,
     PJ_SLOT(max_concurrency_per_instance)},
    {"spec.retrySettings", "retry_settings", T::kObject, "", "retries of a mini-batch"},
    {"spec.retrySettings.maxRetries",
     "retry_settings.max_retries",
     T::kInteger,
     "2",
     "retries after the first try",
     0,
     kIntMax,
     {},
     false,
     false,
     false,
     PJ_SLOT(retry_settings.max_retries)},
    {"spec.retrySettings.timeoutSeconds",
     "retry_settings.timeout",
     T::kInteger,
     "60",
     "seconds for one call of run()",
     1,
     kMaxTimeoutSeconds,
     {},
     false,
     false,
     false,
     PJ_SLOT(retry_settings.timeout_seconds)},
    {"spec.miniBatchErrorThreshold",
     "mini_batch_error_threshold",
     T::kInteger,
     "-1",
     "failed mini-batches that are ignored; more fail the job; -1 ignores all",
     -1,
     kIntMax,
     {},
     false,
     false,
     false,
     PJ_SLOT(mini_batch_error_threshold)},
    {"spec.errorThreshold",
     "error_threshold",
     T::kInteger,
     "-1",
     "failed items that are ignored; more fail the job; -1 ignores all",
     -1,
     kIntMax,
     {},
     false,
     false,
     false,
     PJ_SLOT(error_threshold)},
    {"spec.allowedFailedPercent",
     "--allowed_failed_percent",
     T::kInteger,
     "100",
     "percent of all mini-batches that may fail",
     0,
     100,
     {},
     false,
     false,
     false,
     PJ_SLOT(allowed_failed_percent)},
    {"spec.taskOverheadTimeoutSeconds",
     "--task_overhead_timeout",
     T::kInteger,
     "600",
     "seconds to load a mini-batch and hand it to run()",
     1,
     kMaxTimeoutSeconds,
     {},
     false,
     false,
     false,
     PJ_SLOT(task_overhead_timeout_seconds)},
    {"spec.initTimeoutSeconds",
     "",
     T::kInteger,
     "600",
     "seconds for one call of init()",
     1,
     kMaxTimeoutSeconds,
     {},
     false,
     false,
     false,
     PJ_SLOT(init_timeout_seconds)},
    {"spec.progressUpdateTimeoutSeconds",
     "--progress_update_timeout",
     T::kInteger,
     "(maxRetries + 1) × (timeoutSeconds + taskOverheadTimeoutSeconds)",
     "seconds without any progress after which the job fails",
     1,
     kMaxTimeoutSeconds,
     {},
     false,
     false,
     false,
     PJ_SLOT(progress_update_timeout_seconds)},
    {"spec.firstTaskCreationTimeoutSeconds",
     "--first_task_creation_timeout",
     T::kInteger,
     "600",
     "seconds from the first ready worker to the first mini-batch",
     1,
     kMaxTimeoutSeconds,
     {},
     false,
     false,
     false,
     PJ_SLOT(first_task_creation_timeout_seconds)},
    {"spec.resourceMonitorIntervalSeconds",
     "--resource_monitor_interval",
     T::kInteger,
     "600",
     "seconds between two samples of the resource reports; 0 = off",
     0,
     kIntMax,
     {},
     false,
     false,
     false,
     PJ_SLOT(resource_monitor_interval_seconds)},
    {"spec.loggingLevel", "logging_level", T::kChoice, "INFO", "level of the script's logger", 0, 0,
     "DEBUG INFO WARNING"},
    {"spec.copyLogsToParent", "--copy_logs_to_parent", T::kBoolean, "false",
     "of a pipeline's step: progress, overview and logs also under the pipeline's"},
    {"spec.successPolicy", "", T::kChoice, "Auto", "whether rows are counted against items", 0, 0,
     "Auto RowCount NoException"},

    {"spec.task", "task", T::kObject, "", "the entry script", 0, 0, {}, true},
    {"spec.task.type", "task.type", T::kChoice, "run_function", "kind of the task", 0, 0,
     "run_function"},
    {"spec.task.code",
     "task.code",
     T::kObject,
     "",
     "where the script's folder lies",
     0,
     0,
     {},
     true},
    {"spec.task.code.local", "task.code", T::kText, "", "a folder beside this file"},
    {"spec.task.code.configMap",
     "",
     T::kFragment,
     "",
     "ConfigMaps that hold the packed folder",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.task.code.volume",
     "",
     T::kFragment,
     "",
     "a volume source, and `path` below it",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.task.code.git",
     "",
     T::kFragment,
     "",
     "a repository",
     0,
     0,
     {},
     false,
     false,
     true,
     nullptr,
     true},
    {"spec.task.code.image",
     "",
     T::kText,
     "",
     "a folder of the image",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.task.entryScript",
     "task.entry_script",
     T::kText,
     "",
     "x.py, or a dotted module",
     0,
     0,
     {},
     true},
    {"spec.task.environment", "task.environment", T::kObject, "", "where the script runs"},
    {"spec.task.environment.image",
     "task.environment.image",
     T::kText,
     "",
     "container image",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.task.environment.condaFile", "task.environment.conda_file", T::kText, "",
     "path of a Conda file, or its text"},
    {"spec.task.environment.pip", "", T::kTextList, "", "requirements that pip installs"},
    {"spec.task.environment.variables", "task.environment.environment_variables", T::kTextMap, "",
     "variables of the environment"},
    {"spec.task.programArguments", "task.program_arguments", T::kText, "",
     "arguments of the script, and runtime flags"},
    {"spec.task.appendRowTo", "task.append_row_to", T::kText, "",
     "${{outputs.NAME}}: collects what run() returns"},

    {"spec.environmentVariables", "environment_variables", T::kTextMap, "",
     "variables that the script sees"},
    {"spec.podTemplate",
     "resources",
     T::kFragment,
     "",
     "the allowed parts of a pod",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.work", "", T::kObject, "", "where segments and logs lie"},
    {"spec.work.volume",
     "",
     T::kVolume,
     "of the appended output, else of the first output",
     "Kubernetes volume source",
     0,
     0,
     {},
     false,
     false,
     true},
    {"spec.logs", "", T::kChoice, "keep", "whether logs are kept on the work volume", 0, 0,
     "keep none", false, false, true},
    {"spec.suspend", "", T::kBoolean, "false", "as in batch/v1 Job", 0, 0, {}, false, true, true},
    {"spec.managedBy", "", T::kText, "", "as in batch/v1 Job", 0, 0, {}, false, false, true},
    {"spec.activeDeadlineSeconds",
     "",
     T::kInteger,
     "",
     "seconds after which the job fails; a local run counts from its last start",
     1,
     kIntMax,
     {},
     false,
     true,
     false,
     PJ_SLOT(active_deadline_seconds)},
    {"spec.ttlSecondsAfterFinished",
     "",
     T::kInteger,
     "",
     "as in batch/v1 Job, for the children",
     0,
     kIntMax,
     {},
     false,
     true,
     true,
     PJ_SLOT(ttl_seconds_after_finished)},
    {"spec.rerun",
     "",
     T::kText,
     "",
     "a token; a new one on a finished job starts a new run",
     0,
     0,
     {},
     false,
     true,
     true,
     nullptr,
     true},
    {"spec.rerunPolicy", "", T::kChoice, "All", "what a new run does again", 0, 0, "All FailedOnly",
     false, true, true, nullptr, true},
};
#undef PJ_SLOT

std::string ChoiceText(std::string_view choices) {
  std::string out = choices.find(' ') == std::string_view::npos ? "" : "one of ";
  for (const char c : choices) out += c == ' ' ? std::string(", ") : std::string(1, c);
  return out;
}

}  // namespace

std::span<const Field> Fields() { return kFields; }

const Field* FindField(std::string_view path) {
  for (const Field& field : kFields) {
    if (field.path == path) return &field;
  }
  return nullptr;
}

std::vector<std::string_view> ChildKeys(std::string_view parent) {
  std::vector<std::string_view> out;
  for (const Field& field : kFields) {
    std::string_view rest = field.path;
    if (!parent.empty()) {
      if (!rest.starts_with(parent) || rest.size() == parent.size()) continue;
      rest.remove_prefix(parent.size());
      if (rest[0] != '.') continue;
      rest.remove_prefix(1);
    }
    if (rest.find('.') == std::string_view::npos) out.push_back(rest);
  }
  return out;
}

std::string Allowed(const Field& field) {
  switch (field.type) {
    case T::kInteger:
      return fmt::format("a whole number from {} to {}", field.min, field.max);
    case T::kBoolean:
      return "true or false";
    case T::kChoice:
      return ChoiceText(field.choices);
    case T::kIntOrText:
      return "a whole number or text";
    case T::kTextOrList:
      return "text or a list of texts";
    case T::kTextList:
      return "a list of texts";
    case T::kTextMap:
      return "a mapping of texts";
    case T::kLiteral:
      return "text, a number or a boolean";
    case T::kVolume:
      return "a Kubernetes volume source";
    case T::kFragment:
    case T::kObject:
      return "a mapping";
    case T::kObjectList:
      return "a list of mappings";
    case T::kText:
      break;
  }
  return "text";
}

std::string TablePath(std::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) out += c;
    if (c == '[') inside = true;
  }
  return out;
}

}  // namespace pj::api
