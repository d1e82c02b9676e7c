#include "plan/schema_builder.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "plan/fields.h"

namespace pj::plan {

bool SchemaBuilder::HasHeaderLine() const {
  if (options_.header == HeaderMode::kNoHeader) return false;
  return options_.header != HeaderMode::kFromFirstFile || source_header_ < 0;
}

uint32_t SchemaBuilder::HeaderOf(std::vector<std::string> names) {
  const auto [at, added] = known_.try_emplace(names, static_cast<uint32_t>(headers_.size()));
  if (added) {
    Header header;
    header.guesses.resize(names.size());
    header.names = std::move(names);
    headers_.push_back(std::move(header));
  }
  return at->second;
}

// Files that shall have the same header are read under the first one's. The same names in another
// order would give wrong data without a word, so that is an error; other names may be rows of a
// file without header.
Result<uint32_t> SchemaBuilder::ChooseHeader(const TableFile& file,
                                             std::vector<std::string> fields) {
  if (options_.header == HeaderMode::kNoHeader) fields.assign(fields.size(), {});
  fields = ColumnNames(std::move(fields));
  if (source_header_ < 0 || options_.header == HeaderMode::kAllFilesDifferentHeaders) {
    return HeaderOf(std::move(fields));
  }
  const std::vector<std::string>& first = headers_[static_cast<size_t>(source_header_)].names;
  if (options_.header != HeaderMode::kAllFilesSameHeaders || fields == first) {
    return static_cast<uint32_t>(source_header_);
  }
  if (std::is_permutation(fields.begin(), fields.end(), first.begin(), first.end())) {
    return Fail(Code::kInvalid,
                fmt::format("columns stand in another order than in the first file: {}",
                            fmt::join(fields, ",")),
                file.ref().path, "use header: all_files_different_headers");
  }
  PJ_WARN("header of {} differs from the first file's; its columns are read by position",
          file.ref().path);
  return static_cast<uint32_t>(source_header_);
}

Status SchemaBuilder::ReadHeader(const TableFile& file, TableStart* start) {
  std::vector<std::string> fields;
  std::string scratch;
  PJ_TRY(file.ForEachRecord(file.data_begin(), [&](const RecordRef& record) -> Result<bool> {
    const std::string_view text = ToUtf8(record.bytes, file.encoding(), file.unit(), &scratch);
    fields = SplitRecord(TrimRecord(text, options_.delimiter), options_.delimiter);
    start->empty = false;
    start->begin = HasHeaderLine() ? record.end : file.data_begin();
    return false;
  }));
  if (start->empty) return {};
  PJ_ASSIGN(start->header, ChooseHeader(file, std::move(fields)));
  if (source_header_ < 0) source_header_ = start->header;
  return {};
}

Result<TableStart> SchemaBuilder::Begin(const TableFile& file) {
  TableStart start;
  PJ_TRY(ReadHeader(file, &start));
  if (!start.empty) PJ_TRY(Sample(file, start));
  return start;
}

Status SchemaBuilder::Sample(const TableFile& file, const TableStart& start) {
  Header& header = headers_[start.header];
  if (!options_.infer_column_types || header.rows >= kInferRows) return {};
  std::string scratch;
  return file.ForEachRecord(start.begin, [&](const RecordRef& record) -> Result<bool> {
    AddRow(ToUtf8(record.bytes, file.encoding(), file.unit(), &scratch), &header);
    return header.rows < kInferRows;
  });
}

void SchemaBuilder::AddRow(std::string_view record, Header* header) const {
  FieldReader reader(TrimRecord(record, options_.delimiter), options_.delimiter);
  RawField field;
  for (TypeGuess& guess : header->guesses) {
    if (!reader.Next(&field)) {
      guess.Add({}, true);  // a short row lacks its last fields
      continue;
    }
    const std::string value = FieldValue(field);
    guess.Add(value, value.empty() && !options_.empty_as_string);
  }
  ++header->rows;
}

// A name that several headers share has one type: the first header's.
void SchemaBuilder::Finish(TableSchema* schema) const {
  schema->options = options_;
  std::map<std::string, ColumnType> types;
  for (const Header& header : headers_) {
    std::vector<Column> columns;
    for (size_t i = 0; i < header.names.size(); ++i) {
      const bool infer = options_.infer_column_types;
      const ColumnType type = infer ? header.guesses[i].Type() : ColumnType::kString;
      columns.push_back({header.names[i], types.try_emplace(header.names[i], type).first->second});
    }
    schema->headers.push_back(std::move(columns));
  }
  if (!schema->headers.empty()) schema->columns = schema->headers[0];
}

}  // namespace pj::plan
