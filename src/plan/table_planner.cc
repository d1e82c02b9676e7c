// Mini-batches of delimited tables: by bytes, by rows, or one for each combination of keys.
#include <algorithm>
#include <utility>

#include "plan/fields.h"
#include "plan/key_groups.h"
#include "plan/planner.h"
#include "plan/range_cutter.h"
#include "plan/schema_builder.h"
#include "plan/table_file.h"
#include "plan/walk.h"

namespace pj::plan {
namespace {

// Where a key's value comes from.
struct KeyPlace {
  bool from_path = false;
  size_t column = 0;
};

// Plans the tables of one source. Not thread-safe.
class SourcePlanner {
 public:
  SourcePlanner(const PlanContext& context, uint32_t source, SchemaBuilder* schema)
      : context_(context),
        source_(source),
        spec_(context.request.sources[source]),
        schema_(schema),
        groups_(context.scratch_dir) {}

  Status Run() {
    PJ_ASSIGN(format_, FormatOf(spec_));
    PJ_TRY(WalkSource(spec_, context_.scratch_dir, [this](const FileRef& file) {
      context_.digest->AddFile(file.path);
      return AddFile(file);
    }));
    return groups_.Write(source_, context_.writer);
  }

 private:
  Status AddFile(const FileRef& ref) {
    if (format_) {
      PJ_ASSIGN(path_values_, format_->Match(ref.path));
    }
    if (ref.size == 0) return {};
    PJ_ASSIGN(const TableFile file, TableFile::Open(ref.path, *spec_.table, &buffers_));
    PJ_ASSIGN(const TableStart start, schema_->Begin(file));
    if (start.empty) return {};
    number_.reset();
    if (context_.request.partition_keys.empty()) {
      PJ_TRY(SplitBySize(file, start));
    } else {
      PJ_TRY(SplitByKeys(file, start));
    }
    return file.CheckUnchanged();
  }

  // Files enter the plan with their first record: one without any adds nothing.
  Result<uint64_t> Number(const TableFile& file, const TableStart& start) {
    if (!number_) {
      PJ_ASSIGN(number_, context_.writer->AddFile(file.ref(), start.header));
    }
    return *number_;
  }

  Status Cut(const TableFile& file, uint64_t begin, RangeCutter* cutter) {
    const auto add = [cutter](const ScanWindow& window) -> Result<bool> {
      PJ_TRY(cutter->Add(window));
      return true;
    };
    cutter->Start(begin);
    PJ_TRY(file.ForEachWindow(begin, add));
    return cutter->Finish();
  }

  Status SplitBySize(const TableFile& file, const TableStart& start) {
    RangeCutter cutter(context_.request.unit, context_.request.size,
                       [&](const RangeCutter::Range& range) -> Status {
                         PJ_ASSIGN(const uint64_t number, Number(file, start));
                         PieceList pieces;
                         pieces.AddRange(number, range.begin, range.end - range.begin,
                                         range.records);
                         return context_.writer->AddMiniBatch(source_, {}, pieces);
                       });
    return Cut(file, start.begin, &cutter);
  }

  Result<std::vector<KeyPlace>> FindKeys(uint32_t header) const {
    std::vector<std::string> known = format_ ? format_->columns() : std::vector<std::string>{};
    const size_t path_columns = known.size();
    const std::vector<std::string>& names = schema_->names(header);
    known.insert(known.end(), names.begin(), names.end());
    std::vector<KeyPlace> out;
    for (const std::string& key : context_.request.partition_keys) {
      const auto at =
          static_cast<size_t>(std::find(known.begin(), known.end(), key) - known.begin());
      if (at == known.size()) return UnknownKey(key, known, "input " + spec_.input_name);
      const bool from_path = at < path_columns;
      out.push_back({from_path, from_path ? at : at - path_columns});
    }
    return out;
  }

  Status SplitByKeys(const TableFile& file, const TableStart& start) {
    PJ_ASSIGN(const std::vector<KeyPlace> keys, FindKeys(start.header));
    const bool whole_file =
        std::all_of(keys.begin(), keys.end(), [](const KeyPlace& key) { return key.from_path; });
    return whole_file ? GroupFile(file, start, keys) : GroupRecords(file, start, keys);
  }

  Status GroupFile(const TableFile& file, const TableStart& start,
                   const std::vector<KeyPlace>& keys) {
    std::string packed;
    for (const KeyPlace& key : keys) PackKey(path_values_[key.column], &packed);
    RangeCutter cutter(PlanRequest::SizeUnit::kBytes, UINT64_MAX,
                       [&](const RangeCutter::Range& range) -> Status {
                         PJ_ASSIGN(const uint64_t number, Number(file, start));
                         return groups_.AddRange(groups_.Find(packed), number,
                                                 {range.begin, range.end, range.records});
                       });
    return Cut(file, start.begin, &cutter);
  }

  Status GroupRecords(const TableFile& file, const TableStart& start,
                      const std::vector<KeyPlace>& keys) {
    std::string scratch;
    std::string packed;
    std::string run_keys;
    RecordRun run{start.begin, start.begin, 0};
    const auto flush = [&]() -> Status {
      if (run.records == 0) return {};
      PJ_ASSIGN(const uint64_t number, Number(file, start));
      return groups_.AddRange(groups_.Find(run_keys), number, run);
    };
    const auto add = [&](const RecordRef& record) -> Result<bool> {
      PackRecordKeys(ToUtf8(record.bytes, file.encoding(), file.unit(), &scratch), keys, &packed);
      if (run.records == 0 || packed != run_keys) {
        PJ_TRY(flush());
        run = {record.begin, record.begin, 0};
        run_keys.swap(packed);
      }
      run.end = record.end;
      ++run.records;
      return true;
    };
    PJ_TRY(file.ForEachRecord(start.begin, add));
    return flush();
  }

  void PackRecordKeys(std::string_view record, const std::vector<KeyPlace>& keys,
                      std::string* packed) {
    size_t last = 0;
    for (const KeyPlace& key : keys) {
      if (!key.from_path) last = std::max(last, key.column);
    }
    const char delimiter = spec_.table->delimiter;
    FieldReader reader(TrimRecord(record, delimiter), delimiter);
    fields_.assign(last + 1, {});
    for (RawField& field : fields_) {
      if (!reader.Next(&field)) break;
    }
    packed->clear();
    for (const KeyPlace& key : keys) {
      PackKey(key.from_path ? path_values_[key.column] : FieldValue(fields_[key.column]), packed);
    }
  }

  const PlanContext& context_;
  uint32_t source_;
  const SourceSpec& spec_;
  SchemaBuilder* schema_;
  KeyGroups groups_;
  ScanBuffers buffers_;
  std::optional<PathFormat> format_;
  std::vector<std::string> path_values_;  // of the file at hand
  std::optional<uint64_t> number_;        // of the file at hand, once it is in the plan
  std::vector<RawField> fields_;
};

}  // namespace

Status PlanTables(const PlanContext& context, TableSchema* schema) {
  SchemaBuilder builder(*context.request.sources[0].table);
  for (uint32_t i = 0; i < context.request.sources.size(); ++i) {
    context.digest->AddSource(context.request.sources[i].input_name);
    builder.NextSource();
    PJ_TRY(SourcePlanner(context, i, &builder).Run());
  }
  builder.Finish(schema);
  PJ_ASSIGN(const std::optional<PathFormat> format, FormatOf(context.request.sources[0]));
  if (format) {
    schema->path_columns = format->columns();
    schema->path_pattern = format->pattern();
  }
  return {};
}

}  // namespace pj::plan
