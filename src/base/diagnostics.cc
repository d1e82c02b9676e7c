#include "base/diagnostics.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

namespace pj {
namespace {

constexpr size_t kShownValueBytes = 60;

// One printable line: control characters escaped, long values cut at a character's border.
std::string Shown(const std::string& value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<unsigned char>(value[i]);
    if (out.size() >= kShownValueBytes && (byte & 0xC0) != 0x80) return out + "…";
    if (value[i] == '\n')
      out += "\\n";
    else if (value[i] == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += value[i];
  }
  return out;
}

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
    case Severity::kNote:
      return "note";
  }
  return "error";
}

}  // namespace

std::string Diagnostic::ToString() const {
  std::string out = file;
  if (line > 0) out += fmt::format("{}{}:{}", out.empty() ? "" : ":", line, column);
  if (!out.empty()) out += ": ";
  out += fmt::format("{}: ", SeverityName(severity));
  if (!field.empty()) out += Shown(field) + ": ";
  out += message;
  if (!value.empty()) out += fmt::format(" (found \"{}\")", Shown(value));
  if (!hint.empty()) out += "; " + hint;
  return out;
}

bool Diagnostics::HasErrors() const {
  return std::any_of(all_.begin(), all_.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

bool Diagnostics::HasWarnings() const {
  return std::any_of(all_.begin(), all_.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kWarning; });
}

void Diagnostics::PromoteWarnings() {
  for (Diagnostic& d : all_) {
    if (d.severity == Severity::kWarning) d.severity = Severity::kError;
  }
}

void Diagnostics::SortByPlace() {
  std::stable_sort(all_.begin(), all_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  });
}

}  // namespace pj
