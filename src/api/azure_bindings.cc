// What ${{…}} stands for in Azure YAML.
#include <fmt/core.h>

#include <algorithm>

#include "api/azure_inputs.h"
#include "api/bindings.h"
#include "api/nearest_name.h"

namespace pj::api {
namespace {

// The roots of what steps refer to in other steps.
bool IsStepOutput(const std::string& path) {
  return path.starts_with("parent.jobs.") || path.starts_with("jobs.");
}

void Undeclared(const AzureReporter& report, const AzureNode& at, size_t offset,
                const std::string& path, const std::vector<std::string_view>& names) {
  const std::string name = path.substr(path.rfind('.') + 1);
  report.ErrorIn(at, offset, fmt::format("${{{{{}}}}} is not declared", path),
                 names.empty() ? "declare it, or remove the binding" : SuggestName(name, names));
}

// True if `path` is an output that exists.
bool CheckOutput(const AzureReporter& report, const AzureNode& at, const Binding& binding,
                 const AzureScope& scope) {
  for (const auto& [root, names] :
       {std::pair{"parent.outputs", &scope.parent_outputs}, std::pair{"outputs", &scope.outputs}}) {
    const auto name = NameBelow(binding.path, root);
    if (!name) continue;
    if (std::ranges::find(*names, *name) != names->end()) return true;
    Undeclared(report, at, binding.begin, binding.path, *names);
    return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> NameBelow(const std::string& path, std::string_view root) {
  if (!path.starts_with(root) || path.size() < root.size() + 2 || path[root.size()] != '.') {
    return std::nullopt;
  }
  return path.substr(root.size() + 1);
}

const AzureInput* LookUpInput(const AzureReporter& report, const AzureNode& at, size_t offset,
                              const std::string& path, const AzureScope& scope) {
  for (const auto& [root, inputs] :
       {std::pair{"parent.inputs", scope.parent_inputs}, std::pair{"inputs", scope.inputs}}) {
    const auto name = NameBelow(path, root);
    if (!name) continue;
    const AzureInput* input = inputs == nullptr ? nullptr : inputs->Find(*name);
    if (input != nullptr) return input;
    Undeclared(report, at, offset, path,
               inputs == nullptr ? std::vector<std::string_view>{} : inputs->Names());
    return nullptr;
  }
  if (IsStepOutput(path)) {
    report.ErrorIn(at, offset,
                   fmt::format("${{{{{}}}}}: steps that use each other's outputs are not "
                               "supported yet",
                               path),
                   "give the data with --input, or run the steps one by one");
  } else {
    report.ErrorIn(at, offset, fmt::format("${{{{{}}}}} is no binding that is known", path),
                   "write ${{parent.inputs.NAME}} or ${{inputs.NAME}}");
  }
  return nullptr;
}

std::optional<YamlNode> ResolveBindings(const AzureReporter& report, const AzureNode& at,
                                        const AzureScope& scope) {
  YamlNode out = *at.node;
  if (out.kind != YamlNode::Kind::kScalar) return out;
  const std::vector<Binding> bindings = FindBindings(out.scalar);
  bool good = true;
  for (auto it = bindings.rbegin(); it != bindings.rend(); ++it) {
    const AzureInput* input = LookUpInput(report, at, it->begin, it->path, scope);
    good = good && input != nullptr;
    if (input == nullptr) continue;
    if (input->kind != AzureInput::Kind::kLiteral) {
      const bool unset = input->kind == AzureInput::Kind::kUnset;
      report.ErrorIn(at, it->begin,
                     fmt::format("${{{{{}}}}} {}", it->path,
                                 unset ? "has no value" : "is data; a literal is needed here"),
                     unset ? "give the input a value" : "");
      good = false;
      continue;
    }
    if (bindings.size() == 1 && it->begin == 0 && it->end == out.scalar.size()) {
      out.scalar = input->literal.scalar;
      out.plain = input->literal.plain;
      out.tag = input->literal.tag;
      out.text_places.clear();
      return out;
    }
    out.scalar.replace(it->begin, it->end - it->begin, input->Text());
    out.plain = false;
    out.text_places.clear();
  }
  if (!good) return std::nullopt;
  return out;
}

void CheckBindings(const AzureReporter& report, const AzureNode& at, const AzureScope& scope) {
  for (const YamlNode& item : at.node->items)
    CheckBindings(report, {&item, at.source, at.path}, scope);
  for (const auto& [key, value] : at.node->entries) {
    CheckBindings(report, at.With(value, key.scalar), scope);
  }
  if (!at.IsScalar()) return;
  for (const Binding& binding : FindBindings(at.node->scalar)) {
    if (CheckOutput(report, at, binding, scope)) continue;
    LookUpInput(report, at, binding.begin, binding.path, scope);
  }
}

}  // namespace pj::api
