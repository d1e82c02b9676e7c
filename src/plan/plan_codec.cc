// Footer and meta part of the plan file.
#include "base/byte_io.h"
#include "plan/plan_file.h"

namespace pj::plan {
namespace {

constexpr uint8_t kOptionBits = 4;

void PutStrings(const std::vector<std::string>& strings, ByteWriter* out) {
  out->Varint(strings.size());
  for (const std::string& s : strings) out->Bytes(s);
}

std::vector<std::string> TakeStrings(ByteReader* in) {
  std::vector<std::string> out;
  const uint64_t count = in->Varint();
  for (uint64_t i = 0; i < count && in->ok(); ++i) out.emplace_back(in->Bytes());
  return out;
}

void PutSchema(const TableSchema& schema, ByteWriter* out) {
  const DelimitedOptions& o = schema.options;
  out->U8(static_cast<uint8_t>(o.delimiter));
  out->U8(static_cast<uint8_t>(o.header));
  out->U8(static_cast<uint8_t>(o.support_multi_line | o.empty_as_string << 1 |
                               o.include_path_column << 2 | o.infer_column_types << 3));
  out->Bytes(o.encoding);
  out->Varint(schema.headers.size());
  for (const std::vector<Column>& header : schema.headers) {
    out->Varint(header.size());
    for (const Column& column : header) {
      out->Bytes(column.name);
      out->U8(static_cast<uint8_t>(column.type));
    }
  }
  PutStrings(schema.path_columns, out);
  out->Bytes(schema.path_pattern);
}

std::vector<Column> TakeColumns(ByteReader* in, bool* valid) {
  std::vector<Column> out;
  const uint64_t count = in->Varint();
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    std::string name(in->Bytes());
    const uint8_t type = in->U8();
    *valid = *valid && type <= static_cast<uint8_t>(ColumnType::kDatetime);
    out.push_back({std::move(name), static_cast<ColumnType>(type)});
  }
  return out;
}

bool TakeSchema(ByteReader* in, TableSchema* schema) {
  bool valid = true;
  DelimitedOptions& o = schema->options;
  o.delimiter = static_cast<char>(in->U8());
  const uint8_t header = in->U8();
  valid = header <= static_cast<uint8_t>(HeaderMode::kAllFilesSameHeaders);
  o.header = static_cast<HeaderMode>(header);
  const uint8_t bits = in->U8();
  valid = valid && bits < 1 << kOptionBits;
  o.support_multi_line = (bits & 1) != 0;
  o.empty_as_string = (bits & 2) != 0;
  o.include_path_column = (bits & 4) != 0;
  o.infer_column_types = (bits & 8) != 0;
  o.encoding = in->Bytes();
  const uint64_t headers = in->Varint();
  for (uint64_t i = 0; i < headers && in->ok(); ++i) {
    schema->headers.push_back(TakeColumns(in, &valid));
  }
  if (!schema->headers.empty()) schema->columns = schema->headers[0];
  schema->path_columns = TakeStrings(in);
  schema->path_pattern = in->Bytes();
  return valid && in->ok();
}

}  // namespace

std::string EncodeFooter(const PlanFooter& footer) {
  ByteWriter out;
  out.Raw(kPlanMagic);
  out.U32(kPlanVersion);
  out.U32(footer.table ? 1 : 0);
  for (const uint64_t v : {footer.data_bytes, footer.mini_batches, footer.total_items, footer.files,
                           footer.group_index, footer.body_index, footer.meta}) {
    out.U64(v);
  }
  out.Raw(footer.hash);
  out.U32(footer.checksums_crc);
  out.U32(Crc32c(out.str()));
  return std::move(out.str());
}

Result<PlanFooter> DecodeFooter(std::string_view bytes) {
  ByteReader in(bytes);
  PlanFooter out;
  const bool magic = in.Raw(kPlanMagic.size()) == kPlanMagic;
  const uint32_t version = in.U32();
  out.table = in.U32() != 0;
  for (uint64_t* v : {&out.data_bytes, &out.mini_batches, &out.total_items, &out.files,
                      &out.group_index, &out.body_index, &out.meta}) {
    *v = in.U64();
  }
  out.hash = in.Raw(64);
  out.checksums_crc = in.U32();
  const uint32_t crc = in.U32();
  if (!in.ok() || !magic || Crc32c(bytes.substr(0, kFooterBytes - 4)) != crc) {
    return Fail(Code::kCorrupt, "not a plan file, or a damaged one");
  }
  if (version != kPlanVersion) {
    return Fail(Code::kCorrupt, "plan file of another version: " + std::to_string(version));
  }
  return out;
}

std::string EncodeMeta(const PlanMeta& meta) {
  ByteWriter out;
  PutStrings(meta.sources, &out);
  PutStrings(meta.keys, &out);
  out.Bytes(meta.paths_hash);
  out.U8(meta.table ? 1 : 0);
  if (meta.table) PutSchema(meta.schema, &out);
  return std::move(out.str());
}

Result<PlanMeta> DecodeMeta(std::string_view bytes) {
  ByteReader in(bytes);
  PlanMeta out;
  out.sources = TakeStrings(&in);
  out.keys = TakeStrings(&in);
  out.paths_hash = in.Bytes();
  const uint8_t table = in.U8();
  out.table = table == 1;
  const bool valid = table <= 1 && (!out.table || TakeSchema(&in, &out.schema));
  if (!valid || !in.ok() || !in.AtEnd()) {
    return Fail(Code::kCorrupt, "plan file has a broken description");
  }
  return out;
}

}  // namespace pj::plan
