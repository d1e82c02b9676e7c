#include "worker/frame.h"

#include <cstring>

#include "base/limits.h"
#include "worker/fd_passing.h"

namespace pj::worker {
namespace {

constexpr size_t kCountOffset = 6;        // in the header
constexpr size_t kEntryHeaderBytes = 20;  // mini-batch, attempt, page entry, length
constexpr uint8_t kFilesKind = 1;
constexpr uint8_t kTableKind = 2;
constexpr size_t kDetailBytes = 200;

template <class T>
void Append(T value, std::string* out) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out->append(raw, sizeof value);
}

void AppendClipped(std::string_view text, std::string* out) {
  if (out->size() >= kDetailBytes) return;
  out->append(text.substr(0, kDetailBytes - out->size()));
}

}  // namespace

std::string EncodeHeader(const FrameHeader& header) {
  std::string out;
  Append(wire::kMagic, &out);
  Append(static_cast<uint8_t>(header.type), &out);
  Append(header.flags, &out);
  Append(header.count, &out);
  Append(header.frame, &out);
  return out;
}

bool DecodeHeader(std::string_view bytes, FrameHeader* out) {
  ByteReader in(bytes);
  const uint32_t magic = in.U32();
  out->type = static_cast<wire::Type>(in.U8());
  out->flags = in.U8();
  out->count = in.U16();
  out->frame = in.U64();
  return in.ok() && magic == wire::kMagic;
}

void RunFrame::Begin(uint64_t frame) {
  bytes_.clear();
  count_ = 0;
  bytes_ += EncodeHeader({.type = wire::Type::kRun, .flags = 0, .count = 0, .frame = frame});
}

std::string* RunFrame::BeginEntry(uint64_t mini_batch, uint32_t attempt, uint32_t page_entry) {
  Append(mini_batch, &bytes_);
  Append(attempt, &bytes_);
  Append(page_entry, &bytes_);
  Append(uint32_t{0}, &bytes_);
  payload_begin_ = bytes_.size();
  return &bytes_;
}

std::string_view RunFrame::EndEntry() {
  const uint32_t length = static_cast<uint32_t>(bytes_.size() - payload_begin_);
  std::memcpy(bytes_.data() + payload_begin_ - sizeof length, &length, sizeof length);
  ++count_;
  return std::string_view(bytes_).substr(payload_begin_);
}

std::string_view RunFrame::Finish() {
  std::memcpy(bytes_.data() + kCountOffset, &count_, sizeof count_);
  return bytes_;
}

Status SendFrame(int socket, std::string_view message) {
  if (message.size() <= limits::kFrameBytes) return SendMessage(socket, message);
  PJ_ASSIGN(UniqueFd memory, MemfdOf(message.substr(wire::kHeaderBytes), "pj-frame"));
  std::string head(message.substr(0, wire::kHeaderBytes));
  head[kCountOffset - 1] = static_cast<char>(wire::kFlagMemfd);
  Append(static_cast<uint64_t>(message.size() - wire::kHeaderBytes), &head);
  return SendMessage(socket, head, {memory.get()});
}

bool ReadResult(ByteReader* in, ResultView* out) {
  out->mini_batch = in->U64();
  out->attempt = in->U32();
  out->status = in->U8();
  out->has_columns = (in->U8() & wire::kHasColumns) != 0;
  in->U16();
  out->start_wall_ns = static_cast<int64_t>(in->U64());
  out->load_ns = static_cast<int64_t>(in->U64());
  out->run_ns = static_cast<int64_t>(in->U64());
  out->cpu_ns = static_cast<int64_t>(in->U64());
  out->items_total = in->U64();
  out->items_returned = in->U64();
  out->rows = in->U64();
  out->row_bytes = in->Raw(in->U32());
  out->columns = in->Raw(in->U32());
  out->category = in->Raw(in->U32());
  out->message = in->Raw(in->U32());
  out->traceback = in->Raw(in->U32());
  return in->ok();
}

bool SummarizePayload(std::string_view payload, uint64_t* items, std::string* detail) {
  ByteReader in(payload);
  detail->clear();
  *items = 0;
  const uint8_t kind = in.U8();
  for (uint64_t keys = in.Varint(); keys > 0 && in.ok(); --keys) {
    AppendClipped(in.Bytes(), detail);
    AppendClipped("=", detail);
    AppendClipped(in.Bytes(), detail);
    AppendClipped("; ", detail);
  }
  const uint64_t count = in.Varint();
  if (!in.ok() || (kind != kFilesKind && kind != kTableKind)) return false;
  if (count > 0) AppendClipped(in.Bytes(), detail);
  if (count > 1) {
    char more[32];
    const int n =
        std::snprintf(more, sizeof more, " (+%llu)", static_cast<unsigned long long>(count - 1));
    detail->append(more, static_cast<size_t>(n));
  }
  if (kind == kFilesKind) {
    *items = count;
    return in.ok();
  }
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    if (i > 0) in.Bytes();
    in.Varint();  // size
    in.U64();     // mtime
    in.Varint();  // offset
    in.Varint();  // length
    *items += in.Varint();
    in.Varint();  // header
  }
  return in.ok();
}

}  // namespace pj::worker
