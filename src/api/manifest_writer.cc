// ToManifest: a job as a manifest. What is read back is the same job; the same job is the same
// bytes.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "api/field_reader.h"
#include "api/fields.h"
#include "api/load.h"
#include "api/mini_batch_size.h"
#include "api/names.h"
#include "base/json.h"
#include "base/yaml_doc.h"
#include "base/yaml_text.h"

namespace pj::api {
namespace {

class Writer {
 public:
  std::string Write(const ParallelJob& job) {
    Text("apiVersion", kApiVersion);
    Text("kind", kKind);
    Open("metadata");
    Text("name", job.name);
    OptionalText("namespace", job.ns);
    TextMap("labels", job.labels);
    TextMap("annotations", job.annotations);
    Close();
    Open("spec");
    Spec(job.spec);
    Close();
    return std::move(out_);
  }

 private:
  void Line(std::string_view key, std::string_view value) {
    out_ += fmt::format("{}{}:{}{}\n", Indent(), key, value.empty() ? "" : " ", value);
    first_of_item_ = false;
  }
  // The first line of a list's item carries its dash.
  std::string Indent() const {
    if (!first_of_item_) return std::string(depth_ * 2, ' ');
    return std::string((depth_ - 1) * 2, ' ') + "- ";
  }
  void Open(std::string_view key) {
    Line(key, "");
    ++depth_;
  }
  void Close() { --depth_; }

  void Text(std::string_view key, const std::string& text) {
    if (!IsYamlBlockSafe(text)) return Line(key, YamlScalar(text));
    Line(key, text.ends_with("\n") ? "|" : "|-");
    out_ += YamlBlock(text, (depth_ + 1) * 2);
  }
  void OptionalText(std::string_view key, const std::string& text) {
    if (!text.empty()) Text(key, text);
  }
  void TextMap(std::string_view key, const std::map<std::string, std::string>& map) {
    if (map.empty()) return;
    Open(key);
    for (const auto& [name, value] : map) Text(YamlScalar(name), value);
    Close();
  }
  void TextList(std::string_view key, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    Line(key, "");
    for (const std::string& text : texts) {
      out_ += std::string(depth_ * 2, ' ') + "- " + YamlScalar(text) + "\n";
    }
  }
  void Fragment(std::string_view key, const KubeJson& json) {
    if (json.empty()) return;
    const auto value = ParseJson(json);
    if (value) JsonValue(std::string(key), *value);
  }
  void JsonValue(const std::string& key, const Json& value) {
    if (value.is_string()) return Text(key, value.get<std::string>());
    if (!value.is_structured() || value.empty()) return Line(key, DumpJson(value));
    if (value.is_object()) {
      Open(key);
      for (const auto& [name, item] : value.items()) JsonValue(YamlScalar(name), item);
      return Close();
    }
    const bool objects = std::all_of(value.begin(), value.end(), [](const Json& item) {
      return item.is_object() && !item.empty();
    });
    // A list of anything else is written as JSON, which is YAML too.
    if (!objects) return Line(key, DumpJson(value));
    Line(key, "");
    for (const Json& item : value) {
      Item([&] {
        for (const auto& [name, inner] : item.items()) JsonValue(YamlScalar(name), inner);
      });
    }
  }
  template <class Body>
  void Item(Body body) {
    ++depth_;
    first_of_item_ = true;
    body();
    first_of_item_ = false;
    --depth_;
  }
  template <class E>
  void OptionalName(std::string_view key, const std::optional<E>& value) {
    if (value) Line(key, ToName(*value));
  }
  template <class T>
  static bool IsWritten(const Setting<T>& setting, const T& default_value) {
    // A flag's value stands in programArguments already.
    return setting.origin == Origin::kManifest ||
           (setting.origin == Origin::kDefault && setting.value != default_value);
  }

  // All integers right below `parent`, by the table.
  void Integers(const ParallelJobSpec& spec, std::string_view parent) {
    ParallelJobSpec copy = spec;
    ParallelJobSpec fresh;
    for (const std::string_view key : ChildKeys(parent)) {
      const Field* field = FindField(fmt::format("{}.{}", parent, key));
      if (field == nullptr || field->slot == nullptr) continue;
      const IntSlot slot = field->slot(copy);
      if (auto* const* optional = std::get_if<std::optional<int64_t>*>(&slot)) {
        if (**optional) Line(key, std::to_string(***optional));
        continue;
      }
      const auto& setting = *std::get<Setting<int64_t>*>(slot);
      const auto& normal = *std::get<Setting<int64_t>*>(field->slot(fresh));
      if (IsWritten(setting, normal.value)) Line(key, std::to_string(setting.value));
    }
  }

  void Inputs(const std::vector<Input>& inputs) {
    if (inputs.empty()) return;
    Line("inputs", "");
    for (const Input& input : inputs) {
      Item([&] {
        Text("name", input.name);
        if (input.type == DataType::kLiteral) return Text("value", input.value);
        Line("type", ToName(input.type));
        OptionalText("path", input.path);
        OptionalName("mode", input.mode);
        Fragment("volume", input.volume);
      });
    }
  }
  void Outputs(const std::vector<Output>& outputs) {
    if (outputs.empty()) return;
    Line("outputs", "");
    for (const Output& output : outputs) {
      Item([&] {
        Text("name", output.name);
        Line("type", ToName(output.type));
        OptionalText("path", output.path);
        OptionalName("mode", output.mode);
        Fragment("volume", output.volume);
        OptionalName("format", output.format);
        if (output.header) Line("header", *output.header ? "true" : "false");
      });
    }
  }
  void InputData(const std::vector<std::string>& names) {
    std::vector<std::string> texts;
    for (const std::string& name : names) texts.push_back("${{inputs." + name + "}}");
    if (texts.size() == 1)
      Text("inputData", texts[0]);
    else
      TextList("inputData", texts);
  }

  void Spec(const ParallelJobSpec& spec) {
    Inputs(spec.inputs);
    Outputs(spec.outputs);
    InputData(spec.input_data);
    if (spec.mini_batch_size) {
      const std::string size = ToText(*spec.mini_batch_size);
      Line("miniBatchSize",
           spec.mini_batch_size->unit == MiniBatchSize::Unit::kFiles ? size : YamlQuoted(size));
    }
    TextList("partitionKeys", spec.partition_keys);
    Integers(spec, "spec");
    RetrySettingsOf(spec);
    if (IsWritten(spec.logging_level, LoggingLevel::kInfo)) {
      Line("loggingLevel", ToName(spec.logging_level.value));
    }
    if (IsWritten(spec.copy_logs_to_parent, false)) {
      Line("copyLogsToParent", spec.copy_logs_to_parent.value ? "true" : "false");
    }
    if (IsWritten(spec.success_policy, SuccessPolicy::kAuto)) {
      Line("successPolicy", ToName(spec.success_policy.value));
    }
    TaskOf(spec.task);
    TextMap("environmentVariables", spec.environment_variables);
    ClusterFields(spec);
  }

  void RetrySettingsOf(const ParallelJobSpec& spec) {
    const RetrySettings& retry = spec.retry_settings;
    if (!IsWritten(retry.max_retries, RetrySettings{}.max_retries.value) &&
        !IsWritten(retry.timeout_seconds, RetrySettings{}.timeout_seconds.value)) {
      return;
    }
    Open("retrySettings");
    Integers(spec, "spec.retrySettings");
    Close();
  }

  void CodeOf(const Code& code) {
    using Source = Code::Source;
    if (code.source == Source::kNone) return;
    Open("code");
    if (code.source == Source::kLocal) Text("local", code.local);
    if (code.source == Source::kImage) Text("image", code.local);
    if (code.source == Source::kConfigMap) Fragment("configMap", code.reference);
    if (code.source == Source::kArchive) Fragment("archive", code.reference);
    if (code.source == Source::kVolume) Fragment("volume", code.reference);
    if (code.source == Source::kGit) Fragment("git", code.reference);
    Close();
  }

  void TaskOf(const Task& task) {
    Open("task");
    Text("type", task.type);
    CodeOf(task.code);
    OptionalText("entryScript", task.entry_script);
    const Environment& environment = task.environment;
    if (!environment.image.empty() || !environment.conda_file.empty() || !environment.pip.empty() ||
        !environment.variables.empty()) {
      Open("environment");
      OptionalText("image", environment.image);
      OptionalText("condaFile", environment.conda_file);
      TextList("pip", environment.pip);
      TextMap("variables", environment.variables);
      Close();
    }
    OptionalText("programArguments", task.program_arguments);
    if (!task.append_row_to.empty()) Text("appendRowTo", "${{outputs." + task.append_row_to + "}}");
    Close();
  }

  void ClusterFields(const ParallelJobSpec& spec) {
    Fragment("podTemplate", spec.pod_template);
    if (!spec.work_volume.empty()) {
      Open("work");
      Fragment("volume", spec.work_volume);
      Close();
    }
    if (spec.logs != LogsPolicy::kKeep) Line("logs", ToName(spec.logs));
    if (spec.suspend) Line("suspend", "true");
    if (spec.cancel) Line("cancel", "true");
    OptionalText("managedBy", spec.managed_by);
    OptionalText("rerun", spec.rerun);
    if (spec.rerun_policy) Line("rerunPolicy", ToName(*spec.rerun_policy));
  }

  std::string out_;
  size_t depth_ = 0;
  bool first_of_item_ = false;
};

}  // namespace

std::string ToManifest(const ParallelJob& job) { return Writer().Write(job); }

std::string ToManifestJson(const ParallelJob& job) {
  Diagnostics found;
  const auto documents = ParseYaml(ToManifest(job), "", YamlDialect::kKubectl, &found);
  if (documents.size() != 1) return "{}";
  return FieldReader("", YamlDialect::kKubectl, &found).Fragment(documents[0], "").value_or("{}");
}

}  // namespace pj::api
