#include "api/azure_source.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "api/nearest_name.h"

namespace pj::api {
namespace {

std::string Describe(const AzureNode& at) {
  std::string out = DescribeNode(*at.node, YamlDialect::kPython);
  return out == "a number" ? "a number with a fraction" : out;
}

}  // namespace

AzureNode AzureNode::Child(std::string_view key) const {
  const YamlNode* child = node == nullptr ? nullptr : node->Find(key);
  if (child == nullptr) return {};
  return With(*child, key);
}

AzureNode AzureNode::With(const YamlNode& child, std::string_view key) const {
  return {&child, source, path.empty() ? std::string(key) : fmt::format("{}.{}", path, key)};
}

Diagnostic AzureReporter::At(const AzureNode& at, std::string message, std::string hint) const {
  Diagnostic d;
  // A node without a line was given on the command line.
  d.file = at.node->line > 0 ? at.source->file : "--input";
  d.line = at.node->line;
  d.column = at.node->column;
  d.field = at.path;
  if (at.IsScalar()) d.value = at.node->scalar;
  d.message = std::move(message);
  d.hint = std::move(hint);
  return d;
}

void AzureReporter::Error(const AzureNode& at, std::string message, std::string hint) const {
  out_->Add(At(at, std::move(message), std::move(hint)));
}

void AzureReporter::Warn(const AzureNode& at, std::string message, std::string hint) const {
  Report(Severity::kWarning, at, std::move(message), std::move(hint));
}

void AzureReporter::Report(Severity severity, const AzureNode& at, std::string message,
                           std::string hint) const {
  Diagnostic d = At(at, std::move(message), std::move(hint));
  d.severity = severity;
  out_->Add(std::move(d));
}

void AzureReporter::ErrorIn(const AzureNode& at, size_t offset, std::string message,
                            std::string hint) const {
  Diagnostic d = At(at, std::move(message), std::move(hint));
  if (at.node->line > 0) {
    const auto place = at.node->PlaceOf(offset);
    d.line = place.line;
    d.column = place.column;
  }
  out_->Add(std::move(d));
}

void AzureReporter::OptionError(const std::string& option, std::string message,
                                std::string hint) const {
  Diagnostic d;
  d.field = option;
  d.message = std::move(message);
  d.hint = std::move(hint);
  out_->Add(std::move(d));
}

bool AzureReporter::WantMapping(const AzureNode& at) const {
  if (!at || at.IsMapping() || at.IsNull()) return true;
  Error(at, fmt::format("takes a mapping, not {}", Describe(at)));
  return false;
}

void AzureReporter::CheckKeys(const AzureNode& at, Severity severity,
                              const std::vector<std::string_view>& known,
                              const std::vector<std::string_view>& ignored) const {
  if (!at || !at.IsMapping()) return;
  for (const auto& [key, value] : at.node->entries) {
    const std::string& name = key.scalar;
    if (std::ranges::find(known, name) != known.end()) continue;
    if (std::ranges::find(ignored, name) != ignored.end()) continue;
    Diagnostic d = At(at.With(key, name), "unknown key", SuggestName(name, known));
    d.value.clear();
    d.severity = severity;
    out_->Add(std::move(d));
  }
}

std::optional<int64_t> AzureReporter::Int(const AzureNode& at) const {
  const YamlValue value = ResolveScalar(*at.node, YamlDialect::kPython);
  if (at.IsScalar()) {
    if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
    // Quoted: read again as if it were not.
    YamlNode bare = *at.node;
    bare.plain = true;
    bare.tag.clear();
    const YamlValue again = ResolveScalar(bare, YamlDialect::kPython);
    if (const auto* whole = std::get_if<int64_t>(&again);
        whole && std::holds_alternative<std::string>(value)) {
      return *whole;
    }
  }
  Error(at, fmt::format("takes a whole number, not {}", Describe(at)));
  return std::nullopt;
}

std::optional<bool> AzureReporter::Bool(const AzureNode& at) const {
  const YamlValue value = ResolveScalar(*at.node, YamlDialect::kPython);
  if (at.IsScalar()) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag;
    const std::string lower = AsciiLower(at.node->scalar);
    if (lower == "true" || lower == "false") return lower == "true";
  }
  Error(at, fmt::format("takes true or false, not {}", Describe(at)));
  return std::nullopt;
}

std::optional<std::string> AzureReporter::Text(const AzureNode& at) const {
  if (at.IsScalar()) return PythonStr(ResolveScalar(*at.node, YamlDialect::kPython));
  Error(at, fmt::format("takes text, not {}", Describe(at)));
  return std::nullopt;
}

std::optional<std::string> AzureReporter::Choice(
    const AzureNode& at, const std::vector<std::string_view>& allowed) const {
  const auto text = Text(at);
  if (!text) return std::nullopt;
  const std::string lower = AsciiLower(*text);
  if (std::ranges::find(allowed, lower) != allowed.end()) return lower;
  const std::string nearest = NearestName(lower, allowed);
  Error(at, fmt::format("takes one of {}", fmt::join(allowed, ", ")),
        nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
  return std::nullopt;
}

std::string AsciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

bool IsRemotePath(std::string_view path) {
  const size_t scheme = path.find("://");
  if (scheme != std::string_view::npos) return path.substr(0, scheme) != "file";
  return path.starts_with("azureml:") || path.starts_with("git@");
}

}  // namespace pj::api
