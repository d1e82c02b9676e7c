// SchemaGate: the first csv rows to be committed fix the column names for the whole job; rows with
// others, or with more names than one object can hold, are an error of their mini-batch. The names
// lie in the immutable ConfigMap `schema`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "worker/store.h"

namespace pj::worker {

// Bytes of the names as a JSON list. The `result` object holds the header that is made of them
// beside the summary (report::kSummaryBytes).
inline constexpr size_t kColumnsBytes = 512 << 10;

// Why rows cannot be committed.
struct Misfit {
  std::string category;  // "SchemaMismatch", "SchemaTooLarge", "SchemaRefused"
  std::string message;
};

// Not thread-safe; belongs to the agent's thread. Talks to the API only until the schema is known.
class SchemaGate {
 public:
  SchemaGate(kube::Api* api, JobObjects objects);

  // `columns`: JSON list of names, or empty for rows without names. Nothing: they fit. An error:
  // the API did not answer, nothing is decided.
  Result<std::optional<Misfit>> Check(std::string_view columns);

 private:
  Result<std::optional<Misfit>> Decide(const std::string& columns);
  Result<bool> Read();
  std::string Difference(const std::string& columns) const;

  kube::Api* api_;
  JobObjects objects_;
  std::string name_;
  std::optional<std::string> fixed_;  // JSON list, "[]" for rows without names
  std::string last_good_;             // as it came: the usual case is one comparison
};

}  // namespace pj::worker
