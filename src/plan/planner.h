// Planners: what BuildPlan does for a file list and for a table.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/hash.h"
#include "base/result.h"
#include "plan/path_format.h"
#include "plan/plan.h"
#include "plan/plan_file.h"

namespace pj::plan {

// Hash over the names of sources and the paths of their files. Not thread-safe.
class PathsDigest {
 public:
  void AddSource(const std::string& name) { Add("source", name); }
  void AddFile(const std::string& path) { Add("file", path); }
  std::string HexDigest();

 private:
  void Add(std::string_view kind, std::string_view text);
  std::string buffer_;
  Sha256 sha_;
};

// What both planners share. Lives as long as one BuildPlan.
struct PlanContext {
  const PlanRequest& request;
  PlanWriter* writer;
  PathsDigest* digest;
  std::string scratch_dir;
};

// The source's partition format, if it has one.
Result<std::optional<PathFormat>> FormatOf(const SourceSpec& source);
// "partition key "x" is no column; there are: a, b".
std::unexpected<Error> UnknownKey(const std::string& key, const std::vector<std::string>& known,
                                  const std::string& where);

// Adds the files and mini-batches of all sources to the writer.
Status PlanFileLists(const PlanContext& context);
Status PlanTables(const PlanContext& context, TableSchema* schema);

}  // namespace pj::plan
