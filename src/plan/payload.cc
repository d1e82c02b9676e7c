// The slot's wire form of a mini-batch.
#include "base/byte_io.h"
#include "plan/plan.h"

namespace pj::plan {
namespace {

enum PayloadKind : uint8_t { kFilesPayload = 1, kTablePayload = 2 };

void PutFile(const FileRef& file, ByteWriter* out) {
  out->Bytes(file.path);
  out->Varint(file.size);
  out->U64(static_cast<uint64_t>(file.mtime_ns));
}

FileRef TakeFile(ByteReader* in) {
  FileRef file;
  file.path = in->Bytes();
  file.size = in->Varint();
  file.mtime_ns = static_cast<int64_t>(in->U64());
  return file;
}

TableRange TakeRange(ByteReader* in) {
  TableRange range;
  range.file = TakeFile(in);
  range.offset = in->Varint();
  range.length = in->Varint();
  range.records = in->Varint();
  const uint64_t header = in->Varint();
  range.header = static_cast<uint32_t>(header);
  return range;
}

void TakeContent(uint8_t kind, ByteReader* in, MiniBatch* out) {
  const uint64_t count = in->Varint();
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    if (kind == kFilesPayload) {
      out->files.push_back(TakeFile(in));
      ++out->items;
    } else {
      out->ranges.push_back(TakeRange(in));
      out->items += out->ranges.back().records;
    }
  }
}

}  // namespace

void EncodePayload(const MiniBatch& mini_batch, std::string* out) {
  ByteWriter writer;
  const bool files = mini_batch.ranges.empty();
  writer.str().swap(*out);
  writer.U8(files ? kFilesPayload : kTablePayload);
  writer.Varint(mini_batch.keys.size());
  for (const auto& [name, value] : mini_batch.keys) {
    writer.Bytes(name);
    writer.Bytes(value);
  }
  writer.Varint(files ? mini_batch.files.size() : mini_batch.ranges.size());
  for (const FileRef& file : mini_batch.files) PutFile(file, &writer);
  for (const TableRange& range : mini_batch.ranges) {
    PutFile(range.file, &writer);
    writer.Varint(range.offset);
    writer.Varint(range.length);
    writer.Varint(range.records);
    writer.Varint(range.header);
  }
  writer.str().swap(*out);
}

Result<MiniBatch> DecodePayload(std::string_view payload) {
  ByteReader in(payload);
  MiniBatch out;
  const uint8_t kind = in.U8();
  if (!in.ok() || (kind != kFilesPayload && kind != kTablePayload)) {
    return Fail(Code::kCorrupt, "not a mini-batch payload");
  }
  const uint64_t keys = in.Varint();
  for (uint64_t i = 0; i < keys && in.ok(); ++i) {
    std::string name(in.Bytes());
    out.keys.emplace_back(std::move(name), std::string(in.Bytes()));
  }
  TakeContent(kind, &in, &out);
  if (!in.ok() || !in.AtEnd()) return Fail(Code::kCorrupt, "broken mini-batch payload");
  return out;
}

}  // namespace pj::plan
