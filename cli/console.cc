#include "cli/console.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

#include "base/json.h"
#include "cli/exit_codes.h"
#include "cli/print.h"

namespace pj::cli {

namespace {

Json Errors(const Error& error) {
  return Json::array({{{"message", error.ToString()}, {"reason", CodeName(error.code)}}});
}

}  // namespace

void PrintError(const Error& error) { PrintErr("error: {}\n", error.ToString()); }
void PrintWarning(const std::string& text) { PrintErr("warning: {}\n", text); }
void PrintNote(const std::string& text) { PrintErr("note: {}\n", text); }

void PrintDiagnostics(const Diagnostics& diagnostics) {
  for (const Diagnostic& d : diagnostics.all()) PrintErr("{}\n", d.ToString());
}

int ExitCodeOf(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
    case Code::kNotFound:
    case Code::kTooLarge:
      return kExitBadInput;
    default:
      return kExitCouldNotRun;
  }
}

Json DiagnosticJson(const Diagnostic& d) {
  return {{"file", d.file},   {"line", d.line},       {"column", d.column}, {"field", d.field},
          {"value", d.value}, {"message", d.message}, {"hint", d.hint}};
}

std::string NotStartedJson(const Error& error) {
  Json out;
  out["state"] = "NotStarted";
  out["errors"] = Errors(error);
  return DumpJson(out);
}

std::string FailureJson(const Error& error) { return DumpJson({{"errors", Errors(error)}}); }

int Refused(const Error& error, bool json) {
  PrintError(error);
  if (json) Print("{}\n", FailureJson(error));
  return ExitCodeOf(error);
}

int NotStarted(const Error& error, bool json) {
  PrintError(error);
  if (json) Print("{}\n", NotStartedJson(error));
  return ExitCodeOf(error);
}

std::string NotStartedJson(const Diagnostics& diagnostics) {
  Json errors = Json::array();
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity != Severity::kError) continue;
    errors.push_back(DiagnosticJson(d));
  }
  Json out;
  out["state"] = "NotStarted";
  out["errors"] = std::move(errors);
  return DumpJson(out);
}

std::string Table::Text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i]) : row[i] + "\n";
    }
  }
  return out;
}

std::string GroupDigits(uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), " ");
  }
  return digits;
}

std::string HumanSeconds(double seconds) {
  if (seconds < 0) return "?";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  const auto whole = static_cast<uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string HumanBytes(uint64_t bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace pj::cli
