// BlockFile: checked random reads from a file that carries a CRC-32C of each 64 KiB block. Keeps
// only a few blocks in memory, so that a reader of a large plan stays small, and never maps the
// file: one that is cut off under a reader is an error, not a SIGBUS.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/result.h"

namespace pj::plan {

inline constexpr uint64_t kBlockBytes = 64 << 10;

// Bytes of the file, kept alive by the slice.
struct Slice {
  std::shared_ptr<const std::string> owner;
  std::string_view bytes;
};

// Thread-safe. Covers the first `size` bytes of the file; a block whose CRC differs is kCorrupt.
class BlockFile {
 public:
  BlockFile(UniqueFd fd, std::string path, uint64_t size, std::vector<uint32_t> crcs);

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // Exactly `count` bytes at `offset`; beyond the end is kCorrupt.
  Result<Slice> Read(uint64_t offset, uint64_t count) const;
  // As many as there are, at most `count`.
  Result<Slice> ReadUpTo(uint64_t offset, uint64_t count) const;
  // A record that begins with its length as varint; without the length.
  Result<Slice> ReadSized(uint64_t offset) const;
  Result<uint64_t> ReadU64(uint64_t offset) const;

 private:
  struct Cached {
    uint64_t block = UINT64_MAX;
    uint64_t used = 0;
    std::shared_ptr<const std::string> bytes;
  };
  Result<std::shared_ptr<const std::string>> Block(uint64_t block) const;
  Result<std::shared_ptr<const std::string>> LoadBlock(uint64_t block) const;

  UniqueFd fd_;
  std::string path_;
  uint64_t size_;
  std::vector<uint32_t> crcs_;
  mutable std::mutex mutex_;
  mutable std::array<Cached, 16> cache_;
  mutable uint64_t clock_ = 0;
};

}  // namespace pj::plan
