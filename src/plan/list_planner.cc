// Mini-batches of file lists: by count, or one for each combination of keys in the path.
#include <algorithm>

#include "plan/key_groups.h"
#include "plan/planner.h"
#include "plan/walk.h"

namespace pj::plan {
namespace {

class ByCount {
 public:
  ByCount(const PlanContext& context, uint32_t source) : context_(context), source_(source) {}

  Status Add(uint64_t number) {
    if (count_ == 0) first_ = number;
    return ++count_ == context_.request.size ? Finish() : Status{};
  }

  Status Finish() {
    if (count_ == 0) return {};
    PieceList pieces;
    pieces.AddFiles(first_, count_);
    count_ = 0;
    return context_.writer->AddMiniBatch(source_, {}, pieces);
  }

 private:
  const PlanContext& context_;
  uint32_t source_;
  uint64_t first_ = 0;
  uint64_t count_ = 0;
};

Status PlanByCount(const PlanContext& context, uint32_t source) {
  ByCount batches(context, source);
  PJ_TRY(WalkSource(context.request.sources[source], context.scratch_dir,
                    [&](const FileRef& file) -> Status {
                      context.digest->AddFile(file.path);
                      PJ_ASSIGN(const uint64_t number, context.writer->AddFile(file));
                      return batches.Add(number);
                    }));
  return batches.Finish();
}

// Which of the format's columns are the keys, in the order of the keys.
Result<std::vector<size_t>> KeyColumns(const PlanContext& context, const SourceSpec& source,
                                       const PathFormat& format) {
  std::vector<size_t> out;
  const std::vector<std::string>& columns = format.columns();
  for (const std::string& key : context.request.partition_keys) {
    const auto at = std::find(columns.begin(), columns.end(), key);
    if (at == columns.end()) return UnknownKey(key, columns, source.input_name);
    out.push_back(static_cast<size_t>(at - columns.begin()));
  }
  return out;
}

Status PlanByKeys(const PlanContext& context, uint32_t source) {
  const SourceSpec& spec = context.request.sources[source];
  PJ_ASSIGN(const std::optional<PathFormat> format, FormatOf(spec));
  if (!format) {
    return Fail(Code::kInvalid, "partition keys need columns from the files' paths",
                "input " + spec.input_name,
                "add extract_columns_from_partition_format to the MLTable");
  }
  PJ_ASSIGN(const std::vector<size_t> columns, KeyColumns(context, spec, *format));
  KeyGroups groups(context.scratch_dir);
  std::string packed;
  PJ_TRY(WalkSource(spec, context.scratch_dir, [&](const FileRef& file) -> Status {
    context.digest->AddFile(file.path);
    PJ_ASSIGN(const std::vector<std::string> values, format->Match(file.path));
    packed.clear();
    for (const size_t column : columns) PackKey(values[column], &packed);
    PJ_ASSIGN(const uint64_t number, context.writer->AddFile(file));
    return groups.AddFiles(groups.Find(packed), number, 1);
  }));
  return groups.Write(source, context.writer);
}

}  // namespace

Status PlanFileLists(const PlanContext& context) {
  for (uint32_t i = 0; i < context.request.sources.size(); ++i) {
    context.digest->AddSource(context.request.sources[i].input_name);
    const bool keys = !context.request.partition_keys.empty();
    PJ_TRY(keys ? PlanByKeys(context, i) : PlanByCount(context, i));
  }
  return {};
}

}  // namespace pj::plan
