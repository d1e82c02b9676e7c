#include "plan/block_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/byte_io.h"
#include "base/hash.h"
#include "base/way_out.h"

namespace pj::plan {
namespace {

// Most records fit, so that one read is enough.
constexpr uint64_t kGuessBytes = 512;

}  // namespace

BlockFile::BlockFile(UniqueFd fd, std::string path, uint64_t size, std::vector<uint32_t> crcs)
    : fd_(std::move(fd)), path_(std::move(path)), size_(size), crcs_(std::move(crcs)) {}

Result<std::shared_ptr<const std::string>> BlockFile::LoadBlock(uint64_t block) const {
  const uint64_t begin = block * kBlockBytes;
  const uint64_t count = std::min(kBlockBytes, size_ - begin);
  PJ_ASSIGN(std::string bytes, ReadAt(fd_.get(), begin, count, path_));
  if (block >= crcs_.size() || Crc32c(bytes) != crcs_[block]) {
    return Fail(Code::kCorrupt, "checksum of the plan file is wrong", path_, kStartAnew);
  }
  return std::make_shared<const std::string>(std::move(bytes));
}

Result<std::shared_ptr<const std::string>> BlockFile::Block(uint64_t block) const {
  const std::lock_guard lock(mutex_);
  Cached* oldest = &cache_[0];
  for (Cached& entry : cache_) {
    if (entry.block == block) {
      entry.used = ++clock_;
      return entry.bytes;
    }
    if (entry.used < oldest->used) oldest = &entry;
  }
  PJ_ASSIGN(auto bytes, LoadBlock(block));
  *oldest = {block, ++clock_, bytes};
  return bytes;
}

Result<Slice> BlockFile::Read(uint64_t offset, uint64_t count) const {
  if (offset > size_ || count > size_ - offset) {
    return Fail(Code::kCorrupt, "plan file points beyond its end", path_);
  }
  if (count == 0) return Slice{};
  const uint64_t first = offset / kBlockBytes;
  const uint64_t last = (offset + count - 1) / kBlockBytes;
  PJ_ASSIGN(auto block, Block(first));
  if (first == last) {
    const std::string_view bytes = std::string_view(*block).substr(offset % kBlockBytes, count);
    return Slice{std::move(block), bytes};
  }
  auto joined = std::make_shared<std::string>(block->substr(offset % kBlockBytes));
  for (uint64_t i = first + 1; i <= last; ++i) {
    PJ_ASSIGN(auto next, Block(i));
    joined->append(*next, 0, count - joined->size());
  }
  const std::string_view bytes = *joined;
  return Slice{std::move(joined), bytes};
}

Result<Slice> BlockFile::ReadUpTo(uint64_t offset, uint64_t count) const {
  if (offset > size_) return Fail(Code::kCorrupt, "plan file points beyond its end", path_);
  return Read(offset, std::min(count, size_ - offset));
}

Result<Slice> BlockFile::ReadSized(uint64_t offset) const {
  PJ_ASSIGN(Slice slice, ReadUpTo(offset, kGuessBytes));
  ByteReader reader(slice.bytes);
  const uint64_t length = reader.Varint();
  if (!reader.ok()) return Fail(Code::kCorrupt, "plan file has a broken length", path_);
  if (length <= reader.rest().size()) {
    slice.bytes = reader.rest().substr(0, length);
    return slice;
  }
  return Read(offset + (slice.bytes.size() - reader.rest().size()), length);
}

Result<uint64_t> BlockFile::ReadU64(uint64_t offset) const {
  PJ_ASSIGN(const Slice slice, Read(offset, sizeof(uint64_t)));
  return ByteReader(slice.bytes).U64();
}

}  // namespace pj::plan
