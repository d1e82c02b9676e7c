#include "api/azure_step.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "api/bindings.h"
#include "api/fields.h"
#include "api/mini_batch_size.h"
#include "api/mltable.h"
#include "api/names.h"
#include "api/nearest_name.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kKnown = {"type",
                                              "component",
                                              "inputs",
                                              "outputs",
                                              "resources",
                                              "input_data",
                                              "mini_batch_size",
                                              "partition_keys",
                                              "max_concurrency_per_instance",
                                              "retry_settings",
                                              "mini_batch_max_retries",
                                              "mini_batch_timeout",
                                              "mini_batch_error_threshold",
                                              "error_threshold",
                                              "logging_level",
                                              "environment_variables",
                                              "task"};
// Keys that steer only Azure.
const std::vector<std::string_view> kIgnored = {
    "$schema",  "compute",        "experiment_name", "tags",   "display_name",     "description",
    "identity", "name",           "version",         "limits", "is_deterministic", "properties",
    "services", "queue_settings", "comment"};
const std::vector<std::string_view> kResources = {"instance_count", "shm_size",
                                                  "max_instance_count", "locations"};
const std::vector<std::string_view> kIgnoredResources = {"instance_type", "docker_args",
                                                         "properties"};
struct IntKey {
  std::string_view key;
  std::string_view path;
};
constexpr IntKey kIntegers[] = {{"max_concurrency_per_instance", "spec.maxConcurrencyPerInstance"},
                                {"mini_batch_max_retries", "spec.retrySettings.maxRetries"},
                                {"mini_batch_timeout", "spec.retrySettings.timeoutSeconds"},
                                {"mini_batch_error_threshold", "spec.miniBatchErrorThreshold"},
                                {"error_threshold", "spec.errorThreshold"}};

// True if the folder's MLTable file says that it is a table; nothing if there is no such file.
std::optional<bool> FileSaysTable(const Input& input) {
  if (!input.volume.empty()) return std::nullopt;
  const auto folder = std::filesystem::path(input.base_dir) / input.path;
  const auto text = ReadFile((folder / "MLTable").string(), limits::kYamlBytes);
  if (!text) return std::nullopt;
  Diagnostics ignored;  // the plan reports what is wrong with it
  const auto table = ParseMltable(*text, "MLTable", &ignored);
  if (!table) return text->find("read_") != std::string::npos;
  return table->read_delimited.has_value();
}

bool IsTable(const Input& input) {
  if (input.type != DataType::kMltable) return false;
  return FileSaysTable(input).value_or(input.mode == InputMode::kDirect);
}

}  // namespace

AzureStepReader::AzureStepReader(const AzureShared& shared, const AzureStep& step)
    : report_(shared.report), shared_(shared), step_(step) {}

AzureNode AzureStepReader::Key(std::string_view key) const {
  AzureNode own = step_.step.Child(key);
  if (own && !own.IsNull()) return own;
  AzureNode component = step_.component ? step_.component.Child(key) : AzureNode{};
  return component && !component.IsNull() ? component : AzureNode{};
}

// The node with its bindings replaced; empty after a report.
AzureNode AzureStepReader::Resolved(const AzureNode& at) {
  auto node = ResolveBindings(report_, at, scope_);
  if (!node) return {};
  resolved_.push_back(std::move(*node));
  return {&resolved_.back(), at.source, at.path};
}

void AzureStepReader::Place(const std::string& path, const AzureNode& at) {
  shared_.places.Set(path, *at.node, at.path, at.source->file);
}

ParallelJobSpec AzureStepReader::Read() {
  Place("spec", step_.step);
  CheckKeys();
  ReadInputs();
  ReadOutputs();
  for (const std::string_view key : kIgnored) {
    if (const AzureNode ignored = Key(key)) CheckBindings(report_, ignored, scope_);
  }
  ReadInputData();
  ReadIntegers();
  ReadResources();
  ReadVariables();
  if (const AzureNode level = Key("logging_level")) {
    Place("spec.loggingLevel", level);
    const AzureNode at = Resolved(level);
    const auto name = at ? report_.Choice(at, {"debug", "info", "warning"}) : std::nullopt;
    if (name) {
      spec_.logging_level.Set(*name == "debug"     ? LoggingLevel::kDebug
                              : *name == "warning" ? LoggingLevel::kWarning
                                                   : LoggingLevel::kInfo);
    }
  }
  ReadTask();
  AddInputs();
  AddOutputs();
  ReadSplit();
  return std::move(spec_);
}

// Azure refuses unknown keys of an inline step and is silent about those of a component's.
void AzureStepReader::CheckKeys() const {
  report_.CheckKeys(step_.step, step_.component ? Severity::kWarning : Severity::kError, kKnown,
                    kIgnored);
  if (step_.component) report_.CheckKeys(step_.component, Severity::kWarning, kKnown, kIgnored);
}

void AzureStepReader::ReadInputs() {
  AzureInputReader reader(report_, &shared_.overrides);
  scope_.parent_inputs = step_.parent_inputs;
  if (step_.name.empty()) {
    inputs_ = reader.ReadRoot(step_.step.Child("inputs"));
  } else {
    AzureInputs declared;
    if (step_.component) declared = reader.ReadDeclarations(step_.component.Child("inputs"));
    inputs_ = reader.ReadStep(step_.step.Child("inputs"), step_.component ? &declared : nullptr,
                              scope_, step_.name);
  }
  scope_.inputs = &inputs_;
}

void AzureStepReader::ReadOutputs() {
  const AzureOutputReader reader(report_, shared_.job_name);
  static const AzureOutputs none;
  const AzureOutputs& parent = step_.parent_outputs == nullptr ? none : *step_.parent_outputs;
  if (step_.name.empty()) {
    outputs_ = reader.ReadDeclarations(step_.step.Child("outputs"));
  } else {
    AzureOutputs declared;
    if (step_.component) declared = reader.ReadDeclarations(step_.component.Child("outputs"));
    outputs_ = reader.ReadStep(step_.step.Child("outputs"), step_.component ? &declared : nullptr,
                               parent, scope_);
  }
  scope_.outputs = NamesOf(outputs_);
  scope_.parent_outputs = NamesOf(parent);
}

void AzureStepReader::AddInputs() {
  for (const auto& [name, input] : inputs_.all()) AddInput(name, input);
}

void AzureStepReader::AddInput(const std::string& name, const AzureInput& input) {
  const std::string path = fmt::format("spec.inputs[{}]", name);
  Place(path, input.at);
  if (input.kind == AzureInput::Kind::kUnset) {
    if (input.optional) return;
    if (!input.broken) {
      report_.Error(input.at, "is required and has no value",
                    fmt::format("give it one, or --input {}=VALUE", input.option));
    }
  }
  Input out = input.data;
  out.name = name;
  if (input.kind == AzureInput::Kind::kLiteral) {
    out = {.name = name, .type = DataType::kLiteral, .value = input.Text()};
    const auto flag = input.declared == "boolean"
                          ? report_.Bool({&input.literal, input.at.source, input.at.path})
                          : std::nullopt;
    if (flag) out.value = *flag ? "True" : "False";
  } else if (IsRemotePath(out.path)) {
    // Where the path stands: for a binding, with the pipeline's input.
    const AzureInput* const bound =
        step_.parent_inputs == nullptr ? nullptr : step_.parent_inputs->Find(input.option);
    const AzureNode at = bound == nullptr ? input.at : bound->at;
    const AzureNode written = at.IsMapping() ? at.Child("path") : at;
    report_.Error(written ? written : at,
                  fmt::format("{} lies in Azure and cannot be read here", out.path),
                  fmt::format("--input {}=PATH", input.option));
    out.path.clear();
  }
  // What has no value was reported; nothing more is to be said about its path.
  if (out.path.empty() && out.volume.empty() && out.type != DataType::kLiteral) out.path = ".";
  for (const char* key : {"type", "path", "mode"}) {
    if (const AzureNode child = input.at.Child(key)) Place(path + "." + key, child);
  }
  spec_.inputs.push_back(std::move(out));
}

void AzureStepReader::AddOutputs() {
  for (const auto& [name, output] : outputs_) {
    const std::string path = fmt::format("spec.outputs[{}]", name);
    Place(path, output.at);
    for (const char* key : {"type", "path", "mode"}) {
      if (const AzureNode child = output.at.Child(key)) Place(path + "." + key, child);
    }
    Output out = output.output;
    // As on Azure, whatever the extension.
    if (name == spec_.task.append_row_to) out.format = OutputFormat::kText;
    spec_.outputs.push_back(std::move(out));
    if (output.parent.empty()) continue;
    if (!bound_outputs_.emplace(output.parent, name).second) {
      report_.Error(output.at,
                    fmt::format("${{{{parent.outputs.{}}}}} is bound to {} already", output.parent,
                                bound_outputs_[output.parent]),
                    "give each output its own");
    }
  }
}

void AzureStepReader::ReadIntegers() {
  for (const IntKey& entry : kIntegers) {
    if (const AzureNode at = Key(entry.key)) Integer(at, std::string(entry.path));
  }
  const AzureNode retries = Key("retry_settings");
  if (!retries || !report_.WantMapping(retries)) return;
  Place("spec.retrySettings", retries);
  report_.CheckKeys(retries, Severity::kWarning, {"max_retries", "timeout"});
  for (const auto& [key, path] : {std::pair{"max_retries", "spec.retrySettings.maxRetries"},
                                  std::pair{"timeout", "spec.retrySettings.timeoutSeconds"}}) {
    const AzureNode at = retries.Child(key);
    if (at && !at.IsNull()) Integer(at, path);
  }
}

void AzureStepReader::Integer(const AzureNode& at, const std::string& path) {
  const AzureNode resolved = Resolved(at);
  const auto value = resolved ? report_.Int(resolved) : std::nullopt;
  const bool twice = shared_.places.Has(path);
  Place(path, at);
  if (!value) return;
  const IntSlot slot = FindField(path)->slot(spec_);
  if (auto* const* setting = std::get_if<Setting<int64_t>*>(&slot)) {
    if (twice && (*setting)->IsSet() && (*setting)->value != *value) {
      report_.Error(at,
                    fmt::format("contradicts the same setting elsewhere ({})", (*setting)->value),
                    "keep one of them");
    }
    (*setting)->Set(*value);
  } else {
    *std::get<std::optional<int64_t>*>(slot) = *value;
  }
}

void AzureStepReader::ReadInputData() {
  const AzureNode at = Key("input_data");
  if (!at) return;
  Place("spec.inputData", at);
  if (at.node->kind != YamlNode::Kind::kSequence) return MajorInput(at);
  for (size_t i = 0; i < at.node->items.size(); ++i) {
    MajorInput({&at.node->items[i], at.source, fmt::format("{}[{}]", at.path, i)});
  }
}

void AzureStepReader::MajorInput(const AzureNode& at) {
  const auto text = report_.Text(at);
  if (!text) return;
  const auto name = WholeBinding(*text, "inputs");
  if (!name) {
    report_.Error(at, "takes a reference to an input", "write ${{inputs.NAME}}");
    return;
  }
  spec_.input_data.push_back(*name);
  Place(fmt::format("spec.inputData[{}]", *name), at);
  // A bare text for a data input is its path.
  AzureInput* input = inputs_.Find(*name);
  const bool bare =
      input != nullptr && input->kind == AzureInput::Kind::kLiteral && input->declared.empty();
  if (!bare) return;
  input->data = {.path = input->Text(), .base_dir = input->dir};
  input->kind = AzureInput::Kind::kData;
  input->declared = ToName(input->data.type);
}

void AzureStepReader::ReadSplit() {
  if (const AzureNode keys = Key("partition_keys")) {
    Place("spec.partitionKeys", keys);
    if (keys.node->kind != YamlNode::Kind::kSequence) {
      report_.Error(keys, "takes a list of keys", "write [Store, Brand]");
    }
    for (const YamlNode& item : keys.node->items) {
      const AzureNode at = Resolved({&item, keys.source, keys.path});
      if (const auto key = at ? report_.Text(at) : std::nullopt) {
        spec_.partition_keys.push_back(*key);
      }
    }
  }
  const AzureNode size = Key("mini_batch_size");
  if (!size) return;
  if (!spec_.partition_keys.empty()) {
    report_.Warn(size, "has no effect beside partition_keys", "remove one of them");
    return;
  }
  ReadMiniBatchSize(size);
}

void AzureStepReader::ReadMiniBatchSize(const AzureNode& at) {
  Place("spec.miniBatchSize", at);
  const AzureNode resolved = Resolved(at);
  const auto text = resolved ? report_.Text(resolved) : std::nullopt;
  if (!text) return;
  if (!text->empty() && text->find_first_not_of('0') == std::string::npos) {
    report_.Warn(at, "0 counts as not set", "write a size of 1 or more, or remove the key");
    return;
  }
  const auto size = ParseMiniBatchSize(*text);
  if (!size) {
    report_.Error(at, size.error().message, size.error().hint);
    return;
  }
  FitUnit(at, *size);
}

// Azure drops the unit before it knows the kind of the data: so a unit on files multiplies their
// number, and a bare number on a table is bytes.
void AzureStepReader::FitUnit(const AzureNode& at, MiniBatchSize size) {
  using Unit = MiniBatchSize::Unit;
  const Input* input =
      spec_.input_data.empty() ? nullptr : spec_.FindInput(spec_.input_data.front());
  if (input != nullptr && input->type != DataType::kLiteral) {
    const bool table = IsTable(*input);
    if (table && size.unit == Unit::kFiles) {
      size.unit = Unit::kBytes;
      report_.Warn(at, fmt::format("{} is a table: {} is taken as bytes", input->name, size.count),
                   fmt::format("write \"{}b\"", size.count));
    } else if (!table && size.unit == Unit::kBytes) {
      size.unit = Unit::kFiles;
      report_.Warn(
          at,
          fmt::format("{} is a list of files: the size is taken as {} files, as Azure does",
                      input->name, size.count),
          "write a number without a unit");
    }
  }
  spec_.mini_batch_size = size;
}

void AzureStepReader::ReadResources() {
  const AzureNode at = Key("resources");
  if (!at || !report_.WantMapping(at)) return;
  report_.CheckKeys(at, Severity::kError, kResources, kIgnoredResources);
  for (const char* key : {"max_instance_count", "locations"}) {
    if (const AzureNode other = at.Child(key)) report_.Warn(other, "has no effect here");
  }
  for (const std::string_view key : kIgnoredResources) {
    if (const AzureNode ignored = at.Child(key)) CheckBindings(report_, ignored, scope_);
  }
  const AzureNode count = at.Child("instance_count");
  if (count && !count.IsNull()) Integer(count, "spec.instanceCount");
  const AzureNode memory = at.Child("shm_size");
  if (memory && !memory.IsNull()) ReadSharedMemory(memory);
}

// "2g" → a memory volume of the pod.
void AzureStepReader::ReadSharedMemory(const AzureNode& at) {
  const AzureNode resolved = Resolved(at);
  const auto text = resolved ? report_.Text(resolved) : std::nullopt;
  if (!text) return;
  const size_t digits = std::min(text->find_first_not_of("0123456789"), text->size());
  const std::string unit = AsciiLower(std::string_view(*text).substr(digits));
  static const std::map<std::string, std::string> units{
      {"b", ""}, {"k", "Ki"}, {"m", "Mi"}, {"g", "Gi"}};
  const auto known = units.find(unit);
  const std::string number = text->substr(0, digits);
  if (known == units.end() || number.find_first_not_of('0') == std::string::npos) {
    report_.Error(at, "takes a size with the unit b, k, m or g", "write 2g");
    return;
  }
  Place("spec.podTemplate", at);
  const Json volume = {{"name", "dshm"},
                       {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", number + known->second}}}};
  spec_.pod_template = DumpJson({{"volumes", Json::array({volume})}});
}

void AzureStepReader::ReadVariables() {
  const AzureNode at = Key("environment_variables");
  if (!at || !report_.WantMapping(at)) return;
  Place("spec.environmentVariables", at);
  for (const auto& [key, value] : at.node->entries) {
    const AzureNode place = at.With(value, key.scalar);
    Place("spec.environmentVariables." + key.scalar, place);
    const AzureNode resolved = value.kind == YamlNode::Kind::kNull ? AzureNode{} : Resolved(place);
    auto text = resolved ? report_.Text(resolved) : std::nullopt;
    if (text) spec_.environment_variables[key.scalar] = std::move(*text);
  }
}

}  // namespace pj::api
