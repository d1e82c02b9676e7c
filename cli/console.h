// Console: what the command line says to people: errors on stderr, one form for all.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/diagnostics.h"
#include "base/result.h"

namespace pj::cli {

// "error: <what>: <where>: <way out>" on stderr.
void PrintError(const Error& error);
void PrintWarning(const std::string& text);
void PrintNote(const std::string& text);
// Every finding, a line each, on stderr.
void PrintDiagnostics(const Diagnostics& diagnostics);
// {"file":…,"line":…,"column":…,"field":…,"value":…,"message":…,"hint":…}
nlohmann::ordered_json DiagnosticJson(const Diagnostic& diagnostic);
// Bad input → 2, everything else that keeps a job from running → 3.
int ExitCodeOf(const Error& error);
// {"state":"NotStarted","errors":[…]} for -o json, when the job never began.
std::string NotStartedJson(const Error& error);
std::string NotStartedJson(const Diagnostics& diagnostics);
// {"errors":[…]} for -o json of commands that only ask or change.
std::string FailureJson(const Error& error);
// Say an error, with -o json its object too; the exit code. NotStarted: of commands that run jobs.
int Refused(const Error& error, bool json);
int NotStarted(const Error& error, bool json);

// Columns as wide as their longest entry, which has only ASCII.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { Add(std::move(head)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "1 234 567", "3.2 s", "4 min 05 s", "12.3 MB".
std::string GroupDigits(uint64_t number);
std::string HumanSeconds(double seconds);
std::string HumanBytes(uint64_t bytes);

}  // namespace pj::cli
