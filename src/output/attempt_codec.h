// Attempt records on disk: checksummed blocks of records in which repeated strings and numbers cost
// a byte or two.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "output/segment.h"

namespace pj::output {

// Strings of a block after their first use are numbers below this.
inline constexpr size_t kBlockStrings = 64;
// A block is closed once its payload is at least this long: bounds what a reader holds.
inline constexpr size_t kBlockBytes = 1 << 20;
inline constexpr size_t kBlockHeaderBytes = 8;  // payload length, CRC32C

// Appends blocks to a string. Not thread-safe. Blocks depend on nothing before them.
class AttemptEncoder {
 public:
  // `stem` and the block's offset in its file are part of the checksum: a moved block is a damaged
  // one.
  explicit AttemptEncoder(std::string stem) : stem_(std::move(stem)) {}

  // `out` holds the bytes that follow `base` in the file.
  void Append(const AttemptRecord& record, uint64_t base, std::string* out);
  // Completes the open block, if any.
  void Close(uint64_t base, std::string* out);

 private:
  void Begin(std::string* out);
  void Interned(std::string_view text, uint32_t* hint, std::string* out);

  std::string stem_;
  bool open_ = false;
  size_t begin_ = 0;  // of the open block in `out`
  uint64_t last_mini_batch_ = 0;
  int64_t last_start_ = 0;
  size_t strings_used_ = 0;
  std::array<std::string, kBlockStrings> strings_;
  // Where a field's string was found last: asked first.
  uint32_t node_hint_ = 0, address_hint_ = 0;
  std::array<uint32_t, 16> log_hints_{};
};

uint32_t BlockCrc(std::string_view stem, uint64_t offset, std::string_view payload);
// All records of one payload; false if it is not exactly a sequence of records.
bool DecodeBlock(std::string_view payload, const std::function<void(const AttemptRecord&)>& each);

// At most `size` bytes, cut at a character's beginning.
std::string_view ClipUtf8(std::string_view text, size_t size);

}  // namespace pj::output
