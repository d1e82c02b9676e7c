// The task of a step: code, environment, arguments, the appended output.
#include <fmt/core.h>

#include <algorithm>

#include "api/azure_step.h"
#include "api/bindings.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kTask = {
    "type", "code", "entry_script", "environment", "program_arguments", "append_row_to"};

bool SameValue(const AzureInput& a, const AzureInput& b) {
  if (a.kind != b.kind) return false;
  return a.kind == AzureInput::Kind::kLiteral ? a.Text() == b.Text() : a.data == b.data;
}

}  // namespace

void AzureStepReader::ReadTask() {
  const AzureNode task = Key("task");
  if (!task || !report_.WantMapping(task)) return;
  Place("spec.task", task);
  report_.CheckKeys(task, Severity::kWarning, kTask, {"args"});
  if (const AzureNode args = task.Child("args")) {
    report_.Warn(args, "has no effect", "use program_arguments");
  }
  const auto child = [&](std::string_view key) {
    const AzureNode at = task.Child(key);
    return at && !at.IsNull() ? at : AzureNode{};
  };
  if (const AzureNode type = child("type")) ReadTaskType(type);
  if (const AzureNode code = child("code")) ReadCode(code);
  if (const AzureNode script = child("entry_script")) {
    Place("spec.task.entryScript", script);
    const AzureNode at = Resolved(script);
    if (auto text = at ? report_.Text(at) : std::nullopt) spec_.task.entry_script = *text;
  }
  const std::vector<std::string> owners = {step_.name, shared_.job_name};
  if (const AzureNode environment = child("environment")) {
    Place("spec.task.environment", environment);
    for (const auto& [key, path] :
         {std::pair{"conda_file", "condaFile"}, std::pair{"image", "image"},
          std::pair{"environment_variables", "variables"}}) {
      const AzureNode at = environment.Child(key);
      if (at) Place(std::string("spec.task.environment.") + path, at);
    }
    spec_.task.environment = ReadAzureEnvironment(
        report_, {.at = environment, .scope = &scope_, .owners = owners}, &shared_.images);
  } else if (const std::string* image = shared_.images.Take("", owners)) {
    spec_.task.environment.image = *image;
  }
  if (const AzureNode arguments = child("program_arguments")) ReadArguments(arguments);
  if (const AzureNode append = child("append_row_to")) ReadAppendRowTo(append);
}

void AzureStepReader::ReadTaskType(const AzureNode& at) {
  Place("spec.task.type", at);
  const auto name = report_.Choice(at, {"run_function", "function", "model"});
  if (name == "model") {
    report_.Error(at, "a model is not run by itself here",
                  "write an entry script that loads it, and type: run_function");
  }
}

void AzureStepReader::ReadCode(const AzureNode& at) {
  Place("spec.task.code", at);
  Place("spec.task.code.local", at);
  spec_.task.code = {.source = pj::api::Code::Source::kLocal, .base_dir = at.source->dir};
  const AzureNode resolved = Resolved(at);
  const auto text = resolved ? report_.Text(resolved) : std::nullopt;
  spec_.task.code.local = text ? *text : ".";
  if (text && IsRemotePath(*text)) {
    report_.Error(at, "code that lies elsewhere cannot be read here",
                  "give a folder beside this file");
    spec_.task.code.local = ".";
  } else if (text && text->starts_with("file:")) {
    spec_.task.code.local = text->substr(5);
  }
}

// Bindings to inputs stay: the text is split into words first and bound then. What changes keeps
// the text's length, so that every later message still finds its place.
void AzureStepReader::ReadArguments(const AzureNode& at) {
  Place("spec.task.programArguments", at);
  if (!at.IsScalar()) {
    report_.Text(at);
    return;
  }
  YamlNode node = *at.node;
  DropEmptyGroups(&node.scalar);
  ReplaceParentBindings(at, &node.scalar);
  shared_.places.SetArguments(node);
  spec_.task.program_arguments = node.scalar;
}

// $[[…]] with a binding to an input that has no value.
void AzureStepReader::DropEmptyGroups(std::string* text) const {
  for (size_t open = text->find("$[["); open != std::string::npos; open = text->find("$[[", open)) {
    const size_t close = text->find("]]", open);
    if (close == std::string::npos) return;
    const size_t size = close + 2 - open;
    const auto bindings = FindBindings(std::string_view(*text).substr(open, size));
    const bool empty = std::ranges::any_of(bindings, [&](const Binding& binding) {
      const auto name = NameBelow(binding.path, "inputs");
      const AzureInput* input = name ? inputs_.Find(*name) : nullptr;
      return input != nullptr && input->kind == AzureInput::Kind::kUnset && input->optional;
    });
    if (empty) text->replace(open, size, std::string(size, ' '));
    open += size;
  }
}

void AzureStepReader::ReplaceParentBindings(const AzureNode& at, std::string* text) {
  for (const Binding& binding : FindBindings(*text)) {
    const std::string inside = ArgumentBinding(at, binding.begin, binding.path);
    if (inside == binding.path) continue;
    const size_t size = binding.end - binding.begin;
    std::string with = inside.empty() ? "" : "${{" + inside + "}}";
    if (!inside.empty() && with.size() < size) {
      with.insert(with.size() - 2, std::string(size - with.size(), ' '));
    }
    with.resize(std::max(with.size(), size), ' ');
    text->replace(binding.begin, size, with);
  }
}

// What the binding is called in the job; empty after a report.
std::string AzureStepReader::ArgumentBinding(const AzureNode& at, size_t offset,
                                             const std::string& path) {
  if (const auto name = NameBelow(path, "inputs")) {
    const AzureInput* input = inputs_.Find(*name);
    const bool unset = input != nullptr && input->kind == AzureInput::Kind::kUnset;
    if (!unset || !input->optional) return path;
    report_.ErrorIn(
        at, offset, fmt::format("the optional input {} has no value", *name),
        fmt::format("put it into an optional group: $[[--{} ${{{{inputs.{}}}}}]]", *name, *name));
    return {};
  }
  if (NameBelow(path, "outputs")) return path;
  if (const auto name = NameBelow(path, "parent.outputs")) {
    for (const auto& [own, output] : outputs_) {
      if (output.parent == *name) return "outputs." + own;
    }
    report_.ErrorIn(at, offset, fmt::format("no output of the step is bound to {}", path),
                    fmt::format("write outputs: {{NAME: ${{{{{}}}}}}}", path));
    return {};
  }
  const AzureInput* input = LookUpInput(report_, at, offset, path, scope_);
  return input == nullptr ? std::string() : "inputs." + AddParentInput(path.substr(14), *input);
}

// The step's name for an input of the pipeline; made if it has none.
std::string AzureStepReader::AddParentInput(const std::string& name, const AzureInput& input) {
  for (const std::string& own : {name, "parent_" + name}) {
    const AzureInput* known = inputs_.Find(own);
    if (known != nullptr && SameValue(*known, input)) return own;
    if (known != nullptr) continue;
    inputs_.Add(own, input);
    return own;
  }
  return name;
}

void AzureStepReader::ReadAppendRowTo(const AzureNode& at) {
  Place("spec.task.appendRowTo", at);
  const auto text = report_.Text(at);
  if (!text) return;
  const auto parent = WholeBinding(*text, "parent.outputs");
  for (const auto& [own, output] : outputs_) {
    if (parent && output.parent == *parent) spec_.task.append_row_to = own;
  }
  if (!spec_.task.append_row_to.empty()) return;
  if (const auto name = WholeBinding(*text, "outputs")) {
    spec_.task.append_row_to = *name;
  } else {
    report_.Error(at, "takes a reference to an output", "write ${{outputs.NAME}}");
  }
}

}  // namespace pj::api
