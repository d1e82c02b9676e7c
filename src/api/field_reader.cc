#include "api/field_reader.h"

#include <fmt/core.h>

#include <cmath>

#include "base/json.h"
#include "base/utf8.h"

namespace pj::api {
namespace {

// The allowed values of a path of the table; of any other path nothing.
std::string AllowedAt(const std::string& path) {
  const Field* field = FindField(TablePath(path));
  return field == nullptr ? std::string() : Allowed(*field);
}

// Returns false for what JSON does not know (.nan, .inf).
bool ToJson(const YamlNode& node, YamlDialect dialect, Json* out) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      *out = nullptr;
      return true;
    case YamlNode::Kind::kSequence:
      *out = Json::array();
      for (const YamlNode& item : node.items) {
        Json value;
        if (!ToJson(item, dialect, &value)) return false;
        out->push_back(std::move(value));
      }
      return true;
    case YamlNode::Kind::kMapping:
      *out = Json::object();
      for (const auto& [key, item] : node.entries) {
        Json value;
        if (!ToJson(item, dialect, &value)) return false;
        // Keys are unique: push_back of the pair spares ordered_json its search.
        (*out)[key.scalar] = std::move(value);
      }
      return true;
    case YamlNode::Kind::kScalar:
      break;
  }
  const YamlValue value = ResolveScalar(node, dialect);
  if (const auto* number = std::get_if<double>(&value); number && !std::isfinite(*number)) {
    return false;
  }
  std::visit(
      [&](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
          *out = nullptr;
        else
          *out = v;
      },
      value);
  return true;
}

std::string_view LastKey(std::string_view path) { return path.substr(path.rfind('.') + 1); }

}  // namespace

Diagnostic FieldReader::At(const YamlNode& at, const std::string& path, std::string message,
                           std::string hint) const {
  Diagnostic d;
  d.file = at.line > 0 ? file_ : "--set";
  d.line = at.line;
  d.column = at.column;
  d.field = path;
  if (at.kind == YamlNode::Kind::kScalar) d.value = at.scalar;
  d.message = std::move(message);
  d.hint = std::move(hint);
  return d;
}

void FieldReader::Error(const YamlNode& at, const std::string& path, std::string message,
                        std::string hint) const {
  out_->Add(At(at, path, std::move(message), std::move(hint)));
}

void FieldReader::Warn(const YamlNode& at, const std::string& path, std::string message,
                       std::string hint) const {
  Diagnostic d = At(at, path, std::move(message), std::move(hint));
  d.severity = Severity::kWarning;
  out_->Add(std::move(d));
}

void FieldReader::Note(const YamlNode& at, const std::string& path, std::string message) const {
  Diagnostic d = At(at, path, std::move(message), {});
  d.severity = Severity::kNote;
  out_->Add(std::move(d));
}

void FieldReader::Mismatch(const YamlNode& node, const std::string& path, std::string hint,
                           std::string_view wanted) const {
  std::string allowed = AllowedAt(path);
  if (allowed.empty()) allowed = wanted;
  if (node.kind == YamlNode::Kind::kNull) {
    Error(node, path, fmt::format("has no value, takes {}", allowed),
          "give it a value, or remove the key");
    return;
  }
  Error(node, path, fmt::format("takes {}, not {}", allowed, DescribeNode(node, dialect_)),
        std::move(hint));
}

void FieldReader::WrongChoice(const YamlNode& node, const std::string& path,
                              const std::vector<std::string_view>& names) const {
  const std::string nearest = NearestName(node.scalar, names);
  Error(node, path, fmt::format("takes {}", AllowedAt(path)),
        nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
}

std::optional<int64_t> FieldReader::Int(const YamlNode& node, const std::string& path) const {
  const YamlValue value = ResolveScalar(node, dialect_);
  if (node.kind == YamlNode::Kind::kScalar) {
    if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
    if (const auto* number = std::get_if<double>(&value); number && std::fabs(*number) >= 9e15) {
      Error(node, path, fmt::format("is out of range, takes {}", AllowedAt(path)));
      return std::nullopt;
    }
  }
  if (std::holds_alternative<double>(value)) {
    Error(node, path, fmt::format("takes {}, without a fraction", AllowedAt(path)));
    return std::nullopt;
  }
  const bool quoted = !node.plain && !node.scalar.empty() &&
                      node.scalar.find_first_not_of("-0123456789") == std::string::npos;
  Mismatch(node, path, quoted ? "remove the quotes" : "");
  return std::nullopt;
}

std::optional<bool> FieldReader::Bool(const YamlNode& node, const std::string& path) const {
  const YamlValue value = ResolveScalar(node, dialect_);
  if (node.kind == YamlNode::Kind::kScalar) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  }
  Mismatch(node, path);
  return std::nullopt;
}

bool FieldReader::LengthFits(const YamlNode& node, const std::string& path,
                             const std::string& field_path) const {
  const Field* field = FindField(TablePath(field_path));
  if (field == nullptr) return true;
  const Limits limits = LimitsOf(*field);
  const auto length = static_cast<int64_t>(CountCodePoints(node.scalar));
  if (length == 0 && limits.least > 0 && dialect_ == YamlDialect::kKubectl) {
    Error(node, path, "is empty", "give it a value, or remove the key");
    return false;
  }
  if (length <= limits.length) return true;
  Diagnostic d =
      At(node, path, fmt::format("has {} characters, at most {}", length, limits.length), {});
  d.value.clear();
  out_->Add(std::move(d));
  return false;
}

bool FieldReader::CountFits(const YamlNode& node, size_t count, const std::string& path) const {
  const Field* field = FindField(TablePath(path));
  if (field == nullptr) return true;
  const Limits limits = LimitsOf(*field);
  if (static_cast<int64_t>(count) <= limits.items) return true;
  Error(node, path, fmt::format("has {} entries, at most {}", count, limits.items));
  return false;
}

std::optional<std::string> FieldReader::Text(const YamlNode& node, const std::string& path) const {
  return TextOf(node, path, path);
}

std::optional<std::string> FieldReader::TextOf(const YamlNode& node, const std::string& path,
                                               const std::string& field_path) const {
  if (node.kind == YamlNode::Kind::kScalar) {
    const YamlValue value = ResolveScalar(node, dialect_);
    if (std::holds_alternative<std::string>(value) || node.line == 0) {
      if (!LengthFits(node, path, field_path)) return std::nullopt;
      return node.scalar;
    }
    Mismatch(node, path, fmt::format("put it in quotes: \"{}\"", node.scalar));
    return std::nullopt;
  }
  Mismatch(node, path);
  return std::nullopt;
}

std::optional<std::vector<std::string>> FieldReader::Texts(const YamlNode& node,
                                                           const std::string& path) const {
  if (node.kind != YamlNode::Kind::kSequence) {
    Mismatch(node, path);
    return std::nullopt;
  }
  std::vector<std::string> out;
  if (!CountFits(node, node.items.size(), path)) return std::nullopt;
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (auto text = TextOf(node.items[i], fmt::format("{}[{}]", path, i), path)) {
      out.push_back(std::move(*text));
    }
  }
  return out;
}

std::optional<std::map<std::string, std::string>> FieldReader::TextMap(
    const YamlNode& node, const std::string& path) const {
  if (!IsMapping(node, path)) return std::nullopt;
  std::map<std::string, std::string> out;
  if (!CountFits(node, node.entries.size(), path)) return std::nullopt;
  for (const auto& [key, value] : node.entries) {
    if (auto text = TextOf(value, fmt::format("{}.{}", path, key.scalar), path)) {
      out[key.scalar] = std::move(*text);
    }
  }
  return out;
}

std::optional<std::string> FieldReader::Fragment(const YamlNode& node,
                                                 const std::string& path) const {
  if (!IsMapping(node, path)) return std::nullopt;
  Json json;
  if (!ToJson(node, dialect_, &json)) {
    Error(node, path, "holds .nan or .inf, which JSON does not know");
    return std::nullopt;
  }
  return DumpJson(json);
}

bool FieldReader::IsMapping(const YamlNode& node, const std::string& path) const {
  if (node.kind == YamlNode::Kind::kMapping) return true;
  Mismatch(node, path, "", "a mapping");
  return false;
}

bool FieldReader::IsSequence(const YamlNode& node, const std::string& path) const {
  if (node.kind == YamlNode::Kind::kSequence) return CountFits(node, node.items.size(), path);
  const bool named =
      node.kind == YamlNode::Kind::kMapping && FindField(TablePath(path) + "[].name") != nullptr;
  Mismatch(node, path, named ? "write a list: - name: NAME" : "");
  return false;
}

void FieldReader::UnknownKey(const YamlNode& key, const std::string& path) const {
  const std::string table = TablePath(path);
  const std::string full = path.empty() ? key.scalar : path + "." + key.scalar;
  const auto names = ChildKeys(table);
  std::string hint = NearestName(key.scalar, names);
  if (!hint.empty()) {
    hint = fmt::format("did you mean {}?", hint);
  } else {
    for (const Field& field : Fields()) {
      const bool by_azure = !field.azure.empty() && LastKey(field.azure) == key.scalar;
      if (LastKey(field.path) != key.scalar && !by_azure) continue;
      hint = fmt::format("did you mean {}?", field.path);
      break;
    }
  }
  if (hint.empty()) hint = SuggestName(key.scalar, names);
  Diagnostic d = At(key, full, "unknown key", std::move(hint));
  d.value.clear();
  out_->Add(std::move(d));
}

}  // namespace pj::api
