#include "api/azure_inputs.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "api/bindings.h"
#include "api/names.h"
#include "api/nearest_name.h"
#include "api/validate_files.h"
#include "base/json.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kLiteralTypes = {"string", "number", "integer", "boolean"};
const std::vector<std::string_view> kInputKeys = {"type",        "path", "mode",   "default",
                                                  "optional",    "enum", "min",    "max",
                                                  "description", "name", "version"};
const std::vector<std::string_view> kInputModes = {"ro_mount", "download", "direct", "eval_mount",
                                                   "eval_download"};

bool IsLiteralType(std::string_view type) {
  return std::ranges::find(kLiteralTypes, type) != kLiteralTypes.end();
}

std::vector<std::string_view> AllTypes() {
  std::vector<std::string_view> out = AllNames<DataType>();
  out.insert(out.end(), kLiteralTypes.begin(), kLiteralTypes.end());
  return out;
}

InputMode ModeOf(const std::string& name) {
  if (name == "direct") return InputMode::kDirect;
  return name.ends_with("download") ? InputMode::kDownload : InputMode::kRoMount;
}

YamlNode Scalar(const std::string& text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = text;
  return node;
}

std::optional<double> Number(const YamlNode& node) {
  YamlNode bare = node;
  bare.plain = true;
  const YamlValue value = ResolveScalar(bare, YamlDialect::kPython);
  if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

std::string LocalPath(std::string path) {
  if (path.starts_with("file://")) return path.substr(7);
  return path.starts_with("file:") ? path.substr(5) : path;
}

}  // namespace

std::string AzureInput::Text() const {
  return PythonStr(ResolveScalar(literal, YamlDialect::kPython));
}

AzureInput* AzureInputs::Find(const std::string& name) {
  for (auto& [known, input] : all_) {
    if (known == name) return &input;
  }
  return nullptr;
}

const AzureInput* AzureInputs::Find(const std::string& name) const {
  return const_cast<AzureInputs*>(this)->Find(name);
}

void AzureInputs::Add(std::string name, AzureInput input) {
  all_.emplace_back(std::move(name), std::move(input));
}

std::vector<std::string_view> AzureInputs::Names() const {
  std::vector<std::string_view> out;
  for (const auto& entry : all_) out.push_back(entry.first);
  return out;
}

const std::string* AzureOverrides::Take(const std::string& name) {
  const auto it = given_.find(name);
  if (it == given_.end()) return nullptr;
  used_[name] = true;
  return &it->second;
}

std::vector<std::string> AzureOverrides::Unused() const {
  std::vector<std::string> out;
  for (const auto& [name, path] : given_) {
    if (!used_.contains(name)) out.push_back(name);
  }
  return out;
}

AzureInputs AzureInputReader::ReadRoot(const AzureNode& at) {
  AzureInputs out;
  if (!at || !report_.WantMapping(at)) return out;
  for (const auto& [key, value] : at.node->entries) {
    AzureInput input = ReadDeclared(at.With(value, key.scalar));
    input.option = key.scalar;
    Override(key.scalar, &input);
    out.Add(key.scalar, std::move(input));
  }
  return out;
}

AzureInputs AzureInputReader::ReadDeclarations(const AzureNode& at) {
  AzureInputs out;
  if (!at || !report_.WantMapping(at)) return out;
  for (const auto& [key, value] : at.node->entries) {
    out.Add(key.scalar, ReadDeclared(at.With(value, key.scalar)));
  }
  return out;
}

// A declaration; its default, if it has one, is its value.
AzureInput AzureInputReader::ReadDeclared(const AzureNode& at) {
  if (!at.IsMapping()) return ReadValue(at, {});
  const AzureNode type = at.Child("type");
  const std::string name =
      type && type.IsScalar() ? AsciiLower(type.node->scalar) : std::string("uri_folder");
  if (!IsLiteralType(name)) return ReadData(at, {});
  report_.CheckKeys(at, Severity::kError, kInputKeys);
  AzureInput out;
  out.at = at;
  out.declared = name;
  out.dir = at.source->dir;
  if (const AzureNode flag = at.Child("optional")) {
    out.optional = report_.Bool(flag).value_or(false);
  }
  const AzureNode value = at.Child("default");
  if (value && value.IsScalar()) {
    out.kind = AzureInput::Kind::kLiteral;
    out.literal = *value.node;
    CheckLiteral(at, out);
  } else if (value && !value.IsNull()) {
    report_.Error(value, fmt::format("takes a {}", name));
  }
  return out;
}

AzureInput AzureInputReader::ReadValue(const AzureNode& at, const AzureScope& scope) {
  if (at.IsMapping()) return ReadData(at, scope);
  AzureInput out;
  out.at = at;
  out.dir = at.source->dir;
  if (at.IsNull()) return out;
  if (!at.IsScalar()) {
    report_.Error(at, "takes text, a number, a boolean, or a mapping with type and path");
    out.broken = true;
    return out;
  }
  const auto bindings = FindBindings(at.node->scalar);
  if (bindings.size() == 1 && bindings[0].begin == 0 && bindings[0].end == at.node->scalar.size()) {
    return FromBinding(at, scope, bindings[0].path);
  }
  if (const auto resolved = ResolveBindings(report_, at, scope)) {
    out.kind = AzureInput::Kind::kLiteral;
    out.literal = *resolved;
  } else {
    out.broken = true;
  }
  return out;
}

AzureInput AzureInputReader::FromBinding(const AzureNode& at, const AzureScope& scope,
                                         const std::string& path) {
  AzureInput out;
  out.broken = true;
  if (const AzureInput* input = LookUpInput(report_, at, 0, path, scope)) out = *input;
  out.at = at;
  // Whether it may be missing is for the step's own declaration to say.
  out.optional = false;
  return out;
}

AzureInput AzureInputReader::ReadData(const AzureNode& at, const AzureScope& scope) {
  report_.CheckKeys(at, Severity::kError, kInputKeys);
  AzureInput out;
  out.at = at;
  out.dir = at.source->dir;
  out.data.base_dir = at.source->dir;
  out.kind = AzureInput::Kind::kData;
  if (const AzureNode path = at.Child("path"); path && !path.IsNull()) SetPath(path, scope, &out);
  if (const AzureNode type = at.Child("type")) {
    if (const auto name = report_.Choice(type, AllTypes())) {
      out.data.type = FromName<DataType>(*name).value_or(DataType::kUriFolder);
      out.declared = *name;
      out.has_type = true;
    }
  }
  if (const AzureNode mode = at.Child("mode")) {
    if (const auto name = report_.Choice(mode, kInputModes)) out.data.mode = ModeOf(*name);
  }
  if (const AzureNode flag = at.Child("optional")) {
    out.optional = report_.Bool(flag).value_or(false);
  }
  if (out.data.path.empty() && out.data.volume.empty()) out.kind = AzureInput::Kind::kUnset;
  if (out.declared.empty()) out.declared = ToName(out.data.type);
  return out;
}

// The path of a data mapping: text, or a binding to data or to text.
void AzureInputReader::SetPath(const AzureNode& at, const AzureScope& scope, AzureInput* input) {
  if (!at.IsScalar()) {
    report_.Text(at);
    return;
  }
  const auto bindings = FindBindings(at.node->scalar);
  const bool whole =
      bindings.size() == 1 && bindings[0].begin == 0 && bindings[0].end == at.node->scalar.size();
  if (whole) {
    const AzureInput bound = FromBinding(at, scope, bindings[0].path);
    input->broken = bound.broken;
    if (bound.kind == AzureInput::Kind::kData) {
      input->data = bound.data;
      input->declared = bound.declared;
      input->option = bound.option;
      return;
    }
    if (bound.kind == AzureInput::Kind::kLiteral) {
      input->data.path = LocalPath(bound.Text());
      input->data.base_dir = bound.dir;
    }
    return;
  }
  const auto resolved = ResolveBindings(report_, at, scope);
  if (resolved) input->data.path = LocalPath(resolved->scalar);
  input->broken = !resolved;
}

AzureInputs AzureInputReader::ReadStep(const AzureNode& at, const AzureInputs* declared,
                                       const AzureScope& scope, const std::string& step) {
  AzureInputs given;
  if (at && report_.WantMapping(at)) {
    for (const auto& [key, value] : at.node->entries) {
      const AzureNode place = at.With(value, key.scalar);
      const AzureInput* declaration = declared == nullptr ? nullptr : declared->Find(key.scalar);
      if (declared != nullptr && declaration == nullptr) {
        report_.Error(at.With(key, key.scalar), "the component has no such input",
                      SuggestName(key.scalar, declared->Names()));
        continue;
      }
      given.Add(key.scalar, ReadValue(place, scope));
    }
  }
  AzureInputs out;
  if (declared != nullptr) {
    for (const auto& [name, declaration] : declared->all()) {
      const AzureInput* value = given.Find(name);
      out.Add(name, value == nullptr ? declaration : Combine(declaration, *value));
    }
  } else {
    out = std::move(given);
  }
  for (auto& [name, input] : out.all()) {
    const std::string option = step + "." + name;
    if (input.option.empty()) input.option = option;
    Override(option, &input);
  }
  return out;
}

// A step's value for a declared input.
AzureInput AzureInputReader::Combine(const AzureInput& declared, AzureInput given) {
  const bool wants_data = !declared.declared.empty() && !IsLiteralType(declared.declared);
  const bool wants_literal = IsLiteralType(declared.declared);
  given.optional = declared.optional;
  if (given.kind == AzureInput::Kind::kUnset) {
    if (given.broken) return given;
    AzureInput out = declared;
    out.at = given.at;
    return out;
  }
  if (wants_data && given.kind == AzureInput::Kind::kLiteral) {
    given.data = declared.data;
    given.data.path = LocalPath(given.Text());
    given.data.base_dir = given.dir;
    given.kind = AzureInput::Kind::kData;
    given.declared = declared.declared;
    return given;
  }
  if (wants_literal && given.kind == AzureInput::Kind::kData) {
    report_.Error(given.at,
                  fmt::format("is data, but the component takes a {}", declared.declared));
    return given;
  }
  if (wants_literal) {
    given.declared = declared.declared;
    CheckLiteral(declared.at, given);
    return given;
  }
  if (given.has_type && given.data.type != declared.data.type) {
    report_.Warn(given.at,
                 fmt::format("is {}, but the component declares {}: {} is taken",
                             ToName(given.data.type), declared.declared, ToName(given.data.type)));
  } else {
    given.data.type = declared.data.type;
    given.declared = declared.declared;
  }
  if (!given.data.mode) given.data.mode = declared.data.mode;
  return given;
}

// --input NAME=PATH, or pvc:CLAIM/PATH; for a literal its value.
void AzureInputReader::Override(const std::string& option, AzureInput* input) {
  const std::string* value = overrides_.Take(option);
  if (value == nullptr) return;
  input->broken = false;
  const bool literal = IsLiteralType(input->declared) ||
                       (input->declared.empty() && input->kind == AzureInput::Kind::kLiteral);
  if (literal) {
    input->kind = AzureInput::Kind::kLiteral;
    const bool typed = IsLiteralType(input->declared);
    input->literal = Scalar(*value);
    // An untyped literal stays text or not as it was written.
    input->literal.plain = typed ? input->declared != "string" : true;
    input->dir.clear();
    if (typed && input->at.IsMapping()) CheckLiteral(input->at, *input);
    return;
  }
  Input& data = input->data;
  if (input->kind == AzureInput::Kind::kData && data.volume.empty() && !data.path.empty()) {
    overrides_.Replaced(ResolvePath(data.base_dir, data.path));
  }
  input->kind = AzureInput::Kind::kData;
  input->data.path = *value;
  std::error_code gone;  // of a working folder that was removed: then the path leads nowhere
  input->data.base_dir = std::filesystem::current_path(gone).string();
  input->data.volume.clear();
  if (!value->starts_with("pvc:")) return;
  const std::string claim = value->substr(4);
  const size_t slash = claim.find('/');
  input->data.volume =
      DumpJson({{"persistentVolumeClaim", {{"claimName", claim.substr(0, slash)}}}});
  input->data.path = slash == std::string::npos ? "" : claim.substr(slash + 1);
}

void AzureInputReader::CheckLiteral(const AzureNode& declaration, const AzureInput& input) {
  if (CheckType(input)) CheckRange(declaration, input);
}

bool AzureInputReader::CheckType(const AzureInput& input) {
  // The value stands where the literal was written; its place is the nearest that is known.
  const AzureNode at{&input.literal, input.at.source, input.at.path};
  if (input.declared == "integer") return report_.Int(at).has_value();
  if (input.declared == "boolean") return report_.Bool(at).has_value();
  if (input.declared == "number" && !Number(input.literal)) {
    report_.Error(at, "takes a number");
    return false;
  }
  return true;
}

void AzureInputReader::CheckRange(const AzureNode& declaration, const AzureInput& input) {
  const AzureNode at{&input.literal, input.at.source, input.at.path};
  if (const AzureNode choices = declaration.Child("enum");
      choices && choices.node->kind == YamlNode::Kind::kSequence) {
    std::vector<std::string> allowed;
    for (const YamlNode& item : choices.node->items) {
      allowed.push_back(PythonStr(ResolveScalar(item, YamlDialect::kPython)));
    }
    if (std::ranges::find(allowed, input.Text()) == allowed.end()) {
      report_.Error(at, fmt::format("takes one of {}", fmt::join(allowed, ", ")));
    }
  }
  const auto value = Number(input.literal);
  const bool numeric = input.declared == "number" || input.declared == "integer";
  if (!numeric || !value) return;
  for (const char* key : {"min", "max"}) {
    const AzureNode bound = declaration.Child(key);
    const auto limit = bound && bound.IsScalar() ? Number(*bound.node) : std::nullopt;
    if (!limit) continue;
    const bool low = key[1] == 'i';
    if (low ? *value < *limit : *value > *limit) {
      report_.Error(at,
                    fmt::format("must be {} {}", low ? "at least" : "at most", bound.node->scalar));
    }
  }
}

}  // namespace pj::api
