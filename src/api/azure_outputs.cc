#include "api/azure_outputs.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/bindings.h"
#include "api/names.h"
#include "api/nearest_name.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kOutputModes = {"rw_mount", "mount", "upload", "direct"};

OutputMode ModeOf(const std::string& name) {
  if (name == "upload") return OutputMode::kUpload;
  return name == "direct" ? OutputMode::kDirect : OutputMode::kRwMount;
}

// Of azureml://datastores/…/a/b.csv only b.csv means something here.
std::string BaseName(std::string path) {
  while (path.ends_with("/")) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

// What the more specific place says, else what the other one says.
void TakeMissing(const AzureOutput& from, AzureOutput* to) {
  if (!to->has_type) to->output.type = from.output.type;
  if (!to->has_mode) to->output.mode = from.output.mode;
  if (to->output.path.empty()) to->output.path = from.output.path;
  to->has_type = to->has_type || from.has_type;
  to->has_mode = to->has_mode || from.has_mode;
}

}  // namespace

const AzureOutput* FindOutput(const AzureOutputs& outputs, const std::string& name) {
  const auto it = std::ranges::find(outputs, name, &AzureOutputs::value_type::first);
  return it == outputs.end() ? nullptr : &it->second;
}

std::vector<std::string_view> NamesOf(const AzureOutputs& outputs) {
  std::vector<std::string_view> out;
  for (const auto& entry : outputs) out.push_back(entry.first);
  return out;
}

AzureOutputs AzureOutputReader::ReadDeclarations(const AzureNode& at) const {
  AzureOutputs out;
  if (!at || !report_.WantMapping(at)) return out;
  for (const auto& [key, value] : at.node->entries) {
    out.emplace_back(key.scalar, Read(key.scalar, at.With(value, key.scalar), nullptr, {}));
  }
  return out;
}

AzureOutputs AzureOutputReader::ReadStep(const AzureNode& at, const AzureOutputs* declared,
                                         const AzureOutputs& parent,
                                         const AzureScope& scope) const {
  AzureOutputs given;
  if (at && report_.WantMapping(at)) {
    for (const auto& [key, value] : at.node->entries) {
      const AzureNode place = at.With(value, key.scalar);
      if (declared != nullptr && FindOutput(*declared, key.scalar) == nullptr) {
        report_.Error(at.With(key, key.scalar), "the component has no such output",
                      SuggestName(key.scalar, NamesOf(*declared)));
        continue;
      }
      given.emplace_back(key.scalar, Read(key.scalar, place, &parent, scope));
    }
  }
  // The step's own word first, then the pipeline's, then the component's.
  for (auto& [name, output] : given) {
    const AzureOutput* bound = FindOutput(parent, output.parent);
    if (bound != nullptr) TakeMissing(*bound, &output);
  }
  AzureOutputs out;
  if (declared == nullptr) {
    out = std::move(given);
  } else {
    for (const auto& [name, declaration] : *declared) {
      const AzureOutput* value = FindOutput(given, name);
      AzureOutput merged = value == nullptr ? declaration : *value;
      if (merged.has_type && declaration.has_type &&
          merged.output.type != declaration.output.type) {
        report_.Warn(merged.at,
                     fmt::format("is {}, but the component declares {}: {} is taken",
                                 ToName(merged.output.type), ToName(declaration.output.type),
                                 ToName(merged.output.type)));
      }
      TakeMissing(declaration, &merged);
      out.emplace_back(name, std::move(merged));
    }
  }
  return out;
}

AzureOutput AzureOutputReader::Read(const std::string& name, const AzureNode& at,
                                    const AzureOutputs* parent, const AzureScope& scope) const {
  AzureOutput out;
  out.at = at;
  out.output.name = name;
  if (at.IsNull()) return out;
  if (at.IsMapping()) {
    ReadMapping(name, at, parent, scope, &out);
  } else if (!at.IsScalar() || parent == nullptr || !Bind(at, parent, &out)) {
    report_.Error(at, "takes a mapping with type, mode and path, or ${{parent.outputs.NAME}}");
  }
  return out;
}

void AzureOutputReader::ReadMapping(const std::string& name, const AzureNode& at,
                                    const AzureOutputs* parent, const AzureScope& scope,
                                    AzureOutput* out) const {
  report_.CheckKeys(at, Severity::kError, {"type", "mode", "path", "description"},
                    {"name", "version"});
  if (const AzureNode type = at.Child("type")) {
    if (const auto text = report_.Choice(type, AllNames<DataType>())) {
      out->output.type = *FromName<DataType>(*text);
      out->has_type = true;
    }
  }
  if (const AzureNode mode = at.Child("mode")) {
    if (const auto text = report_.Choice(mode, kOutputModes)) {
      out->output.mode = ModeOf(*text);
      out->has_mode = true;
    }
  }
  const AzureNode path = at.Child("path");
  if (!path || path.IsNull()) return;
  if (!path.IsScalar()) {
    report_.Text(path);
  } else if (parent == nullptr || !Bind(path, parent, out)) {
    out->output.path = FillPath(path, name, scope);
  }
}

// True for ${{parent.outputs.x}}, which may be one that is not declared: then it is reported.
bool AzureOutputReader::Bind(const AzureNode& at, const AzureOutputs* parent,
                             AzureOutput* out) const {
  const auto name = WholeBinding(at.node->scalar, "parent.outputs");
  if (!name) return false;
  out->parent = *name;
  if (FindOutput(*parent, *name) == nullptr) {
    report_.Error(at, fmt::format("${{{{parent.outputs.{}}}}} is not declared", *name),
                  SuggestName(*name, NamesOf(*parent)));
  }
  return true;
}

std::string AzureOutputReader::FillPath(const AzureNode& at, const std::string& name,
                                        const AzureScope& scope) const {
  std::string text = at.node->scalar;
  const auto bindings = FindBindings(text);
  for (auto it = bindings.rbegin(); it != bindings.rend(); ++it) {
    std::string value;
    if (it->path == "name") {
      value = job_;
    } else if (it->path == "output_name") {
      value = name;
    } else if (it->path != "default_datastore") {
      const AzureInput* input = LookUpInput(report_, at, it->begin, it->path, scope);
      if (input != nullptr && input->kind == AzureInput::Kind::kLiteral) value = input->Text();
    }
    text.replace(it->begin, it->end - it->begin, value);
  }
  if (text.starts_with("./")) text = text.substr(2);
  return IsRemotePath(text) ? BaseName(text) : text;
}

}  // namespace pj::api
