#include "api/validate.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "api/bindings.h"
#include "api/fields.h"
#include "api/kube_fields.h"
#include "api/names.h"
#include "api/nearest_name.h"
#include "api/program_arguments.h"
#include "api/validate_files.h"
#include "api/validate_kube.h"
#include "base/limits.h"

namespace pj::api {
namespace {

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

bool HasParentStep(std::string_view path) {
  for (const auto& part : std::filesystem::path(path)) {
    if (part == "..") return true;
  }
  return false;
}

bool IsRemote(std::string_view path) {
  return path.find("://") != std::string_view::npos || path.starts_with("azureml:");
}

// A letter or '_', then letters, digits, '_' and '-': what a binding can name.
bool IsBindingName(std::string_view name) {
  if (name.empty() || name.size() > limits::kNameBytes) return false;
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || (c >= '0' && c <= '9') || c == '-';
         });
}

class Validator {
 public:
  Validator(const Places& places, ParallelJob* job, Diagnostics* out)
      : places_(places), job_(*job), spec_(job->spec), out_(out) {}

  void Run() {
    TakeFlags();
    CheckMetadata();
    CheckIntegers();
    CheckInputs();
    CheckOutputs();
    CheckInputData();
    CheckSplit();
    CheckTask();
    CheckArguments();
    CheckVariables("spec.environmentVariables", spec_.environment_variables);
    CheckVariables("spec.task.environment.variables", spec_.task.environment.variables);
    CheckCluster();
  }

 private:
  void Report(Severity severity, const std::string& path, std::string message,
              std::string hint = {}) {
    Diagnostic d = places_.At(path);
    d.severity = severity;
    d.message = std::move(message);
    d.hint = std::move(hint);
    out_->Add(std::move(d));
  }
  void Error(const std::string& path, std::string message, std::string hint = {}) {
    Report(Severity::kError, path, std::move(message), std::move(hint));
  }
  void Warn(const std::string& path, std::string message, std::string hint = {}) {
    Report(Severity::kWarning, path, std::move(message), std::move(hint));
  }
  // An empty text that is not even written was left out; one that was misread has its error
  // already.
  void Require(const std::string& path, bool present, std::string hint) {
    if (!present && !places_.Has(path)) Error(path, "is required", std::move(hint));
  }
  void CheckText(const std::string& path, const std::string& text) {
    if (HasControl(text)) Error(path, "holds a newline or another control character", "remove it");
  }

  void TakeFlags() {
    const Diagnostic place = places_.At(kArguments);
    const YamlNode* node = places_.arguments() ? &*places_.arguments() : nullptr;
    words_ = TakeRuntimeFlags(spec_.task.program_arguments, place, node, &spec_, out_);
  }

  void CheckMetadata() {
    Require("metadata.name", !job_.name.empty(), "give the job a name");
    const bool named = !job_.name.empty() || places_.Has("metadata.name");
    if (named && !IsDnsLabel(job_.name, limits::kJobNameBytes)) {
      Error("metadata.name",
            fmt::format("must be lower-case letters, digits and '-', beginning and ending with a "
                        "letter or digit, at most {} characters (it has {})",
                        limits::kJobNameBytes, job_.name.size()),
            "pods are called NAME-INDEX and may have 63");
    }
    if (!job_.ns.empty() && !IsDnsLabel(job_.ns, limits::kNameBytes)) {
      Error("metadata.namespace", "must be lower-case letters, digits and '-', at most 63");
    }
    for (const auto& [key, value] : job_.labels) {
      const std::string problem = LabelProblem(key, value);
      if (!problem.empty()) Error("metadata.labels." + key, problem);
    }
    for (const auto& [key, value] : job_.annotations) {
      if (!IsQualifiedName(key)) {
        Error("metadata.annotations." + key,
              "is not an annotation's key: [prefix/]name, letters, digits, '-', '_', '.'");
      }
    }
  }

  void CheckIntegers() {
    for (const Field& field : Fields()) {
      if (field.slot == nullptr) continue;
      const IntSlot slot = field.slot(spec_);
      int64_t value = 0;
      if (auto* const* setting = std::get_if<Setting<int64_t>*>(&slot)) {
        value = (*setting)->value;
      } else {
        const auto& optional = *std::get<std::optional<int64_t>*>(slot);
        if (!optional) continue;
        value = *optional;
      }
      if (value >= field.min && value <= field.max) continue;
      Diagnostic d = places_.At(std::string(field.path));
      d.value = std::to_string(value);
      d.message = "takes " + Allowed(field);
      if (!field.default_text.empty())
        d.hint = fmt::format("the default is {}", field.default_text);
      out_->Add(std::move(d));
    }
  }

  void CheckName(const std::string& path, const std::string& name, std::set<std::string>* seen) {
    if (name.empty()) return Require(path + ".name", false, "give it a name");
    if (!IsBindingName(name)) {
      Error(path + ".name",
            "must be letters, digits, '_' and '-', beginning with a letter or '_', at most 63");
    }
    if (!seen->insert(name).second) Error(path + ".name", "this name stands twice");
  }

  void CheckDataPath(const std::string& path, const std::string& data, bool has_volume) {
    CheckText(path, data);
    if (IsRemote(data)) {
      return Error(path, "remote data cannot be read here",
                   "give a local path, a volume, or --input NAME=PATH");
    }
    if (!has_volume) return;
    if (data.starts_with("/")) Error(path, "must be relative to the volume", "remove the first /");
    if (HasParentStep(data)) Error(path, "leads out of the volume", "remove ..");
  }

  void CheckInputs() {
    std::set<std::string> seen;
    for (size_t i = 0; i < spec_.inputs.size(); ++i) {
      const Input& input = spec_.inputs[i];
      const std::string path = ItemPath("spec.inputs", input.name, i);
      CheckName(path, input.name, &seen);
      if (input.type == DataType::kLiteral) continue;
      if (input.path.empty() && input.volume.empty()) {
        if (!places_.Has(path + ".path") && !places_.Has(path + ".volume")) {
          Error(path + ".path", "is required", "give a path, a volume or a value");
        } else if (places_.Has(path + ".path")) {
          Error(path + ".path", "is empty", "give a path");
        }
      }
      CheckDataPath(path + ".path", input.path, !input.volume.empty());
      CheckFragmentAt(path + ".volume", input.volume);
      if (input.mode == InputMode::kDirect && input.type != DataType::kMltable) {
        Warn(path + ".mode", "direct is for tables; files are treated as ro_mount",
             "write ro_mount");
      }
    }
  }

  void CheckOutputs() {
    std::set<std::string> seen;
    for (size_t i = 0; i < spec_.outputs.size(); ++i) {
      const Output& output = spec_.outputs[i];
      const std::string path = ItemPath("spec.outputs", output.name, i);
      CheckName(path, output.name, &seen);
      CheckDataPath(path + ".path", output.path, !output.volume.empty());
      if (HasParentStep(output.path) && output.volume.empty()) {
        Error(path + ".path", "must not hold ..", "");
      }
      if (output.mode && *output.mode != OutputMode::kRwMount) {
        Warn(path + ".mode", fmt::format("{} is treated as rw_mount", ToName(*output.mode)),
             "write rw_mount");
      }
      CheckFragmentAt(path + ".volume", output.volume);
      CheckKeepsAt(path + ".volume", output.volume);
      CheckFormat(path, output);
      if (output.name == spec_.task.append_row_to || InArguments("outputs." + output.name))
        continue;
      Warn(path, "nobody writes to it: no rows are collected there, and the script is not given it",
           fmt::format(
               "write appendRowTo (Azure: append_row_to): ${{{{outputs.{}}}}}, or name it in "
               "the program arguments",
               output.name));
    }
  }

  bool InArguments(const std::string& binding) const {
    for (const Word& word : words_) {
      for (const Binding& each : FindBindings(word.text)) {
        if (each.path == binding) return true;
      }
    }
    return false;
  }

  void CheckFormat(const std::string& path, const Output& output) {
    const bool collects = output.name == spec_.task.append_row_to;
    const bool by_name = !output.format && collects && output.path.ends_with(".parquet");
    if (output.format == OutputFormat::kParquet || by_name) {
      Error(path + (by_name ? ".path" : ".format"), "parquet is not supported yet",
            "use csv, jsonl or text");
    }
    if (output.header && output.format == OutputFormat::kJsonl) {
      Error(path + ".header", "jsonl has no header", "remove it");
    }
    if (collects) return;
    const std::string hint =
        fmt::format("name it in appendRowTo: ${{{{outputs.{}}}}}", output.name);
    if (output.format) Warn(path + ".format", "has no effect: the output collects no rows", hint);
    if (output.header) Warn(path + ".header", "has no effect: the output collects no rows", hint);
  }

  std::vector<std::string_view> InputNames() const {
    std::vector<std::string_view> out;
    for (const Input& input : spec_.inputs) out.push_back(input.name);
    return out;
  }
  std::vector<std::string_view> OutputNames() const {
    std::vector<std::string_view> out;
    for (const Output& output : spec_.outputs) out.push_back(output.name);
    return out;
  }

  void CheckInputData() {
    Require("spec.inputData", !spec_.input_data.empty(), "write ${{inputs.NAME}}");
    std::set<std::string> seen;
    const Input* first = nullptr;
    for (const std::string& name : spec_.input_data) {
      const std::string path = fmt::format("spec.inputData[{}]", name);
      const Input* input = spec_.FindInput(name);
      if (!seen.insert(name).second) Error(path, "stands here twice", "remove one");
      if (input == nullptr) {
        Error(path, fmt::format("there is no input {}", name), SuggestName(name, InputNames()));
        continue;
      }
      if (input->type == DataType::kLiteral) {
        Error(path, "a literal cannot be split", "name an input with data");
        continue;
      }
      if (first == nullptr) first = input;
      if ((first->type == DataType::kMltable) != (input->type == DataType::kMltable)) {
        Error(path,
              fmt::format("is {}, {} is {}", ToName(input->type), first->name, ToName(first->type)),
              "inputs that are split together must be of one kind");
      }
    }
  }

  void CheckSplit() {
    if (!spec_.partition_keys.empty() && spec_.mini_batch_size) {
      Error("spec.miniBatchSize", "does not go with partitionKeys", "keep one of them");
    }
    std::set<std::string> seen;
    for (const std::string& key : spec_.partition_keys) {
      if (key.empty())
        Error("spec.partitionKeys", "holds an empty key", "remove it");
      else if (!seen.insert(key).second) {
        Error("spec.partitionKeys", fmt::format("holds the key {} twice", key), "remove one");
      }
    }
    if (!spec_.mini_batch_size || spec_.input_data.empty()) return;
    const Input* input = spec_.FindInput(spec_.input_data[0]);
    if (input == nullptr || input->type == DataType::kLiteral) return;
    const bool files = spec_.mini_batch_size->unit == MiniBatchSize::Unit::kFiles;
    // Whether an mltable without a mode is a table, its file says: the plan checks those.
    if (input->type != DataType::kMltable && !files) {
      Error("spec.miniBatchSize",
            fmt::format("{} is a list of files, which is split by their number", input->name),
            "write a number without a unit; rows of a table: type mltable, with read_delimited");
    } else if (input->type == DataType::kMltable && input->mode == InputMode::kDirect && files) {
      Error("spec.miniBatchSize",
            fmt::format("{} is a table, which is split by bytes or rows", input->name),
            "write a unit: 10kb or 500rows");
    }
  }

  void CheckTask() {
    const Task& task = spec_.task;
    Require("spec.task.entryScript", !task.entry_script.empty(), "name the script: score.py");
    Require("spec.task.code", task.code.source != api::Code::Source::kNone,
            "write code: {local: FOLDER}");
    if (task.type != "run_function") {
      Error("spec.task.type", "must be run_function", "wrap the model in an entry script");
    }
    CheckText("spec.task.environment.image", task.environment.image);
    for (const std::string& requirement : task.environment.pip) {
      if (requirement.empty() || HasControl(requirement)) {
        Error("spec.task.environment.pip", "holds an empty or broken requirement", "one each line");
      }
    }
    if (places_.Has("spec.task.code") && task.code.source == api::Code::Source::kNone) {
      Error("spec.task.code", "names no source", "write code: {local: FOLDER}");
    }
    CheckCode(task.code);
    if (!task.append_row_to.empty() && spec_.FindOutput(task.append_row_to) == nullptr) {
      Error("spec.task.appendRowTo", fmt::format("there is no output {}", task.append_row_to),
            SuggestName(task.append_row_to, OutputNames()));
    }
  }

  void CheckCode(const api::Code& code) {
    using Source = api::Code::Source;
    if (code.source == Source::kGit) {
      Error("spec.task.code.git", "is not supported yet", "use local, configMap, volume or image");
    }
    if (code.source == Source::kLocal && IsRemote(code.local)) {
      Error("spec.task.code.local", "remote code cannot be read here", "give a local folder");
    }
    if (code.source == Source::kVolume) {
      CheckFragmentAt("spec.task.code.volume", code.reference);
    }
    if (code.source == Source::kConfigMap) {
      CheckFragmentAt("spec.task.code.configMap", code.reference);
    }
    if (code.source == Source::kArchive) {
      CheckFragmentAt("spec.task.code.archive", code.reference);
      if (code.reference == R"({"configMaps":[]})") {
        Error("spec.task.code.archive.configMaps", "names no ConfigMap", "name one at least");
      }
    }
  }

  void CheckArguments() {
    for (const Word& word : words_) {
      const bool optional = !GroupInside(word.text).empty();
      for (const Binding& binding : FindBindings(word.text)) CheckBinding(word, binding, optional);
    }
  }

  void CheckBinding(const Word& word, const Binding& binding, bool optional) {
    const bool input = binding.path.starts_with("inputs.");
    const bool output = binding.path.starts_with("outputs.");
    const std::string name = binding.path.substr(input ? 7 : output ? 8 : 0);
    if (input && spec_.FindInput(name) != nullptr) return;
    if (output && spec_.FindOutput(name) != nullptr) return;
    const YamlNode* node = places_.arguments() ? &*places_.arguments() : nullptr;
    Diagnostic d = PlaceInText(places_.At(kArguments), node, word.offset);
    d.value = "${{" + binding.path + "}}";
    if (!input && !output) {
      d.message = "is no reference to an input or output";
      d.hint = "write ${{inputs.NAME}} or ${{outputs.NAME}}";
    } else {
      // An optional group may name an input that is not there; a misspelt one it should not.
      const auto names = input ? InputNames() : OutputNames();
      if (optional && NearestName(name, names).empty()) return;
      d.severity = optional ? Severity::kWarning : Severity::kError;
      d.message = fmt::format("there is no {} {}", input ? "input" : "output", name);
      d.hint = SuggestName(name, names);
    }
    out_->Add(std::move(d));
  }

  void CheckVariables(const std::string& path,
                      const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) {
      if (name.empty() || name.find('=') != std::string::npos || HasControl(name)) {
        Error(path + "." + name, "is not a name of a variable", "no '=' and no blanks");
      }
    }
  }

  void ErrorFrom(const std::string& path, const pj::Error& error) {
    Error(error.where.empty() ? path : path + "." + error.where, error.message, error.hint);
  }
  void CheckFragmentAt(const std::string& path, const KubeJson& json) {
    if (json.empty()) return;
    for (const pj::Error& error : CheckFragment(*FindField(TablePath(path)), json)) {
      ErrorFrom(path, error);
    }
  }

  void CheckKeepsAt(const std::string& path, const KubeJson& json) {
    for (const pj::Error& error : CheckKeeps(json)) ErrorFrom(path, error);
  }

  void CheckCluster() {
    CheckFragmentAt("spec.work.volume", spec_.work_volume);
    CheckKeepsAt("spec.work.volume", spec_.work_volume);
    CheckFragmentAt("spec.podTemplate", spec_.pod_template);
    const std::string& manager = spec_.managed_by;
    if (!manager.empty() &&
        (manager.size() > limits::kNameBytes || manager.find('/') == std::string::npos)) {
      Error("spec.managedBy", "must be domain/name, at most 63 characters");
    }
    const std::string hint = "remove it; a finished job runs again under another name";
    if (!spec_.rerun.empty()) Error("spec.rerun", "is not supported yet", hint);
    if (spec_.rerun_policy) Error("spec.rerunPolicy", "is not supported yet", hint);
  }

  static std::string ItemPath(const std::string& list, const std::string& name, size_t index) {
    return fmt::format("{}[{}]", list, name.empty() ? std::to_string(index) : name);
  }

  static constexpr char kArguments[] = "spec.task.programArguments";
  const Places& places_;
  ParallelJob& job_;
  ParallelJobSpec& spec_;
  Diagnostics* out_;
  std::vector<Word> words_;
};

}  // namespace

void FinishJob(const Places& places, const LoadOptions& options, ParallelJob* job,
               Diagnostics* out) {
  Validator(places, job, out).Run();
  CheckScript(places, job->spec.task, options.check_files, out);
}

std::vector<std::string> ClusterOnlyFields(const ParallelJob& job) {
  const ParallelJobSpec& spec = job.spec;
  std::vector<std::string> out;
  const auto add = [&](bool set, std::string path) {
    if (set) out.push_back(std::move(path));
  };
  add(!job.ns.empty(), "metadata.namespace");
  for (const Input& input : spec.inputs) {
    add(!input.volume.empty(), fmt::format("spec.inputs[{}].volume", input.name));
  }
  for (const Output& output : spec.outputs) {
    add(!output.volume.empty(), fmt::format("spec.outputs[{}].volume", output.name));
  }
  using Source = api::Code::Source;
  add(spec.task.code.source == Source::kConfigMap, "spec.task.code.configMap");
  add(spec.task.code.source == Source::kArchive, "spec.task.code.archive");
  add(spec.task.code.source == Source::kVolume, "spec.task.code.volume");
  add(spec.task.code.source == Source::kImage, "spec.task.code.image");
  add(!spec.task.environment.image.empty(), "spec.task.environment.image");
  add(!spec.pod_template.empty(), "spec.podTemplate");
  add(!spec.work_volume.empty(), "spec.work.volume");
  add(spec.logs != LogsPolicy::kKeep, "spec.logs");
  add(spec.suspend, "spec.suspend");
  add(spec.cancel, "spec.cancel");
  add(!spec.managed_by.empty(), "spec.managedBy");
  add(spec.ttl_seconds_after_finished.has_value(), "spec.ttlSecondsAfterFinished");
  return out;
}

void CheckRunsHere(const LoadedJob& loaded, Diagnostics* out) {
  const auto error = [&](const std::string& field, std::string message, std::string hint) {
    Diagnostic d = loaded.At(field);
    d.message = std::move(message);
    d.hint = std::move(hint);
    out->Add(std::move(d));
  };
  const ParallelJobSpec& spec = loaded.job.spec;
  if (spec.instance_count.value == 0) {
    error("spec.instanceCount", "a local run needs at least 1 instance",
          "--set spec.instanceCount=1");
  }
  const int64_t each = spec.max_concurrency_per_instance.value_or(1);
  if (spec.instance_count.value > limits::kLocalProcesses / each) {
    error("spec.maxConcurrencyPerInstance",
          fmt::format("a local run starts at most {} processes, and {} × {} are wanted",
                      limits::kLocalProcesses, spec.instance_count.value, each),
          "lower maxConcurrencyPerInstance or instanceCount");
  }
  if (spec.task.code.source != api::Code::Source::kLocal) {
    error("spec.task.code", "a local run needs the code in a local folder",
          "write code: {local: FOLDER}");
  }
  for (const Input& input : spec.inputs) {
    if (input.volume.empty()) continue;
    error(fmt::format("spec.inputs[{}]", input.name), "lies on a volume of a cluster",
          fmt::format("--input {}=PATH", input.name));
  }
}

}  // namespace pj::api
