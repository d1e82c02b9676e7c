// Diagnostics: every error and warning of a file, collected, so that all are reported at once.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace pj {

enum class Severity { kWarning, kError, kNote };

// One finding. `line` and `column` are 1-based, columns in code points; 0 = the whole file.
// `field` is the path as the user wrote it ("spec.retrySettings.maxRetries").
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string file;
  int line = 0;
  int column = 0;
  std::string field;
  std::string value;    // what was found, shortened; may be empty
  std::string message;  // what is wrong and what is allowed
  std::string hint;     // the way out

  // "file:line:column: error: field: message (found "value"); hint"
  std::string ToString() const;
};

// An ordered collection. Not thread-safe.
class Diagnostics {
 public:
  void Add(Diagnostic d) { all_.push_back(std::move(d)); }
  bool HasErrors() const;
  bool HasWarnings() const;
  // `--strict`: every warning becomes an error.
  void PromoteWarnings();
  // In the order of the file; findings of one place keep theirs.
  void SortByPlace();
  const std::vector<Diagnostic>& all() const { return all_; }

 private:
  std::vector<Diagnostic> all_;
};

}  // namespace pj
