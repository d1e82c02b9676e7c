#include "output/attempt_codec.h"

#include <cstring>
#include <vector>

#include "base/byte_io.h"
#include "base/hash.h"
#include "base/limits.h"

namespace pj::output {
namespace {

// Flags of a record: status in the low bits.
constexpr uint8_t kStatusMask = 0x0f;
constexpr uint8_t kTerminal = 0x10;
constexpr uint8_t kHasError = 0x20;
constexpr auto kLastStatus = static_cast<uint8_t>(ledger::AttemptStatus::kProcessDied);

uint64_t ZigZag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}
int64_t UnZigZag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

// Differences wrap: any pair of values comes back.
uint64_t Delta(uint64_t now, uint64_t before) { return ZigZag(static_cast<int64_t>(now - before)); }

// A record's numbers, gathered on the stack: one append instead of forty.
class Scratch {
 public:
  void U8(uint8_t v) { bytes_[size_++] = static_cast<char>(v); }
  void Varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) U8(static_cast<uint8_t>(v) | 0x80);
    U8(static_cast<uint8_t>(v));
  }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  char bytes_[160];
  size_t size_ = 0;
};

void AppendVarint(uint64_t v, std::string* out) {
  Scratch scratch;
  scratch.Varint(v);
  out->append(scratch.view());
}

void AppendText(std::string_view text, std::string* out) {
  AppendVarint(text.size(), out);
  out->append(text);
}

class Decoder {
 public:
  explicit Decoder(std::string_view payload) : in_(payload) {}
  bool AtEnd() const { return in_.AtEnd(); }

  bool Next(AttemptRecord* r) {
    const uint8_t flags = in_.U8();
    if ((flags & kStatusMask) > kLastStatus || (flags & ~0x3f) != 0) return false;
    r->status = static_cast<ledger::AttemptStatus>(flags & kStatusMask);
    r->terminal = (flags & kTerminal) != 0;
    r->mini_batch = last_mini_batch_ += static_cast<uint64_t>(UnZigZag(in_.Varint()));
    r->attempt = static_cast<uint32_t>(in_.Varint());
    r->process = static_cast<uint32_t>(in_.Varint());
    last_start_ += static_cast<uint64_t>(UnZigZag(in_.Varint()));
    r->start_wall_ns = static_cast<int64_t>(last_start_);
    r->elapsed_ns = UnZigZag(in_.Varint());
    r->process_ns = UnZigZag(in_.Varint());
    r->run_ns = UnZigZag(in_.Varint());
    r->items_total = in_.Varint();
    r->items_ok = in_.Varint();
    r->items_failed = in_.Varint();
    r->rows = in_.Varint();
    Interned(&r->node);
    Interned(&r->address);
    Interned(&r->log);
    r->detail = in_.Bytes();
    const bool error = (flags & kHasError) != 0;
    r->category = error ? in_.Bytes() : std::string_view();
    r->message = error ? in_.Bytes() : std::string_view();
    r->traceback = error ? in_.Bytes() : std::string_view();
    return in_.ok() && good_;
  }

 private:
  void Interned(std::string* out) {
    const uint64_t which = in_.Varint();
    if (which == 0) {
      *out = in_.Bytes();
      if (strings_.size() < kBlockStrings) strings_.push_back(*out);
    } else if (which <= strings_.size()) {
      *out = strings_[which - 1];
    } else {
      good_ = false;
    }
  }

  ByteReader in_;
  bool good_ = true;
  uint64_t last_mini_batch_ = 0;
  uint64_t last_start_ = 0;
  std::vector<std::string> strings_;
};

}  // namespace

void AttemptEncoder::Begin(std::string* out) {
  open_ = true;
  begin_ = out->size();
  out->append(kBlockHeaderBytes, '\0');
  last_mini_batch_ = 0;
  last_start_ = 0;
  strings_used_ = 0;
}

void AttemptEncoder::Interned(std::string_view text, uint32_t* hint, std::string* out) {
  if (*hint < strings_used_ && strings_[*hint] == text) return AppendVarint(*hint + 1, out);
  for (uint32_t i = 0; i < strings_used_; ++i) {
    if (strings_[i] != text) continue;
    *hint = i;
    return AppendVarint(i + 1, out);
  }
  out->push_back('\0');
  AppendText(text, out);
  if (strings_used_ == kBlockStrings) return;
  *hint = static_cast<uint32_t>(strings_used_);
  strings_[strings_used_++].assign(text);
}

void AttemptEncoder::Append(const AttemptRecord& r, uint64_t base, std::string* out) {
  if (open_ && out->size() - begin_ >= kBlockBytes) Close(base, out);
  if (!open_) Begin(out);
  const bool error = !r.category.empty() || !r.message.empty() || !r.traceback.empty();
  Scratch s;
  s.U8(static_cast<uint8_t>(static_cast<uint8_t>(r.status) | (r.terminal ? kTerminal : 0) |
                            (error ? kHasError : 0)));
  s.Varint(Delta(r.mini_batch, last_mini_batch_));
  s.Varint(r.attempt);
  s.Varint(r.process);
  s.Varint(Delta(static_cast<uint64_t>(r.start_wall_ns), static_cast<uint64_t>(last_start_)));
  s.Varint(ZigZag(r.elapsed_ns));
  s.Varint(ZigZag(r.process_ns));
  s.Varint(ZigZag(r.run_ns));
  s.Varint(r.items_total);
  s.Varint(r.items_ok);
  s.Varint(r.items_failed);
  s.Varint(r.rows);
  out->append(s.view());
  last_mini_batch_ = r.mini_batch;
  last_start_ = r.start_wall_ns;
  Interned(r.node, &node_hint_, out);
  Interned(r.address, &address_hint_, out);
  Interned(r.log, &log_hints_[r.process % log_hints_.size()], out);
  AppendText(ClipUtf8(r.detail, limits::kMessageBytes), out);
  if (!error) return;
  AppendText(ClipUtf8(r.category, limits::kMessageBytes), out);
  AppendText(ClipUtf8(r.message, limits::kMessageBytes), out);
  AppendText(ClipUtf8(r.traceback, limits::kTracebackBytes), out);
}

void AttemptEncoder::Close(uint64_t base, std::string* out) {
  if (!open_) return;
  open_ = false;
  const std::string_view payload = std::string_view(*out).substr(begin_ + kBlockHeaderBytes);
  const auto size = static_cast<uint32_t>(payload.size());
  const uint32_t crc = BlockCrc(stem_, base + begin_, payload);
  std::memcpy(out->data() + begin_, &size, sizeof size);
  std::memcpy(out->data() + begin_ + sizeof size, &crc, sizeof crc);
}

uint32_t BlockCrc(std::string_view stem, uint64_t offset, std::string_view payload) {
  char raw[sizeof offset];
  std::memcpy(raw, &offset, sizeof offset);
  return Crc32c(payload, Crc32c({raw, sizeof raw}, Crc32c(stem)));
}

bool DecodeBlock(std::string_view payload, const std::function<void(const AttemptRecord&)>& each) {
  Decoder decoder(payload);
  AttemptRecord record;
  while (!decoder.AtEnd()) {
    if (!decoder.Next(&record)) return false;
    each(record);
  }
  return true;
}

std::string_view ClipUtf8(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace pj::output
