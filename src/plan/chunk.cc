#include "plan/chunk.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace pj::plan {
namespace {

constexpr std::array<uint64_t, 2> kFirstSizes = {64 << 10, 256 << 10};
// Where newlines are looked for; less than any chunk but the last.
constexpr size_t kNewlineReach = 32 << 10;
constexpr size_t kLookAhead = 8;  // so that the scanner can see the unit behind the end
// Read and marked at once, while it is in the processor's cache.
constexpr size_t kPieceBytes = 256 << 10;
static_assert(kNewlineReach < kFirstSizes[0] && kChunkBytes % kScanBlock == 0);

uint64_t Boundary(uint64_t index) {
  uint64_t offset = 0;
  for (const uint64_t size : kFirstSizes) {
    if (index == 0) return offset;
    offset += size;
    --index;
  }
  return offset + index * kChunkBytes;
}

bool SameState(const ScanOptions& options, const ScanState& a, const ScanState& b) {
  return a.line_blank == b.line_blank && (!options.quotes || a.field == b.field);
}

}  // namespace

uint64_t ChunkCount(const ScanSource& source) {
  const uint64_t bytes = source.file->size - std::min(source.begin, source.file->size);
  uint64_t count = 0;
  while (count <= kFirstSizes.size() && Boundary(count) < bytes) ++count;
  if (Boundary(count) >= bytes) return count;
  return count + (bytes - Boundary(count) + kChunkBytes - 1) / kChunkBytes;
}

Status Chunk::Read(const ScanSource& source, uint64_t offset, size_t until) {
  until = std::min<uint64_t>(until, source.file->size - offset);
  while (read_ < until) {
    const ssize_t n =
        ::pread(source.fd, data_.get() + read_, until - read_, static_cast<off_t>(offset + read_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read", source.file->path);
    if (n == 0) {
      return Fail(Code::kConflict, "input changed while it was planned", source.file->path,
                  "start again when nothing writes to it any more");
    }
    read_ += static_cast<size_t>(n);
  }
  std::memset(data_.get() + read_, 0, kLookAhead);
  return {};
}

// `from` itself when no newline is near: the same answer for both chunks that ask.
size_t Chunk::BehindNewline(size_t from) const {
  const size_t reach = std::min(kNewlineReach, read_ - from);
  const void* found = std::memchr(data_.get() + from, '\n', reach);
  if (found == nullptr) return from;
  return static_cast<size_t>(static_cast<const char*>(found) - data_.get()) + 1;
}

Status Chunk::FindBegin(const ScanSource& source, uint64_t offset) {
  skipped_ = 0;
  if (offset > source.begin && source.split_at_newlines) {
    PJ_TRY(Read(source, offset, kNewlineReach));
    skipped_ = BehindNewline(0);
  }
  begin_ = offset + skipped_;
  return {};
}

Status Chunk::FindEnd(const ScanSource& source, uint64_t offset, size_t length) {
  size_t end = length;
  if (offset + length < source.file->size && source.split_at_newlines) {
    PJ_TRY(Read(source, offset, length + kNewlineReach));
    end = BehindNewline(length);
  }
  PJ_TRY(Read(source, offset, end + kLookAhead));
  size_ = end - skipped_;
  return {};
}

Status Chunk::Load(const ScanSource& source, uint64_t index, const ScanState& state) {
  if (data_ == nullptr) {
    constexpr size_t kCapacity = kChunkBytes + kNewlineReach + kScanBlock + 2 * kLookAhead;
    data_.reset(new char[kCapacity]);
    masks_.resize(kCapacity / kScanBlock + 1);
  }
  const uint64_t offset = source.begin + Boundary(index);
  const size_t length = std::min(source.begin + Boundary(index + 1), source.file->size) - offset;
  read_ = 0;
  marked_ = 0;
  before_ = state;
  PJ_TRY(FindBegin(source, offset));
  RecordScanner scanner(source.options, BestSimd(), state);
  for (size_t piece = kPieceBytes; piece < length; piece += kPieceBytes) {
    PJ_TRY(Read(source, offset, piece));
    Mark(&scanner, piece);
  }
  PJ_TRY(FindEnd(source, offset, length));
  MarkRest(source, &scanner);
  return {};
}

void Chunk::Follow(const ScanSource& source, const ScanState& state) {
  if (SameState(source.options, before_, state)) return;
  before_ = state;
  marked_ = 0;
  RecordScanner scanner(source.options, BestSimd(), state);
  MarkRest(source, &scanner);
}

// Marks the blocks that end, with the unit behind them, before `until`.
void Chunk::Mark(RecordScanner* scanner, size_t until) {
  if (until < skipped_ + kLookAhead) return;
  const size_t blocks = (until - skipped_ - kLookAhead) / kScanBlock;
  if (blocks <= marked_) return;
  scanner->Scan(data() + marked_ * kScanBlock, blocks - marked_, masks_.data() + marked_);
  marked_ = blocks;
}

void Chunk::MarkRest(const ScanSource& source, RecordScanner* scanner) {
  const size_t whole = size_ / kScanBlock;
  if (whole > marked_) {
    scanner->Scan(data() + marked_ * kScanBlock, whole - marked_, masks_.data() + marked_);
  }
  if (size_ % kScanBlock != 0) {
    masks_[whole] = scanner->ScanTail({data() + whole * kScanBlock, size_ % kScanBlock});
  }
  after_ = scanner->state();
  if (size_ > 0 && begin_ + size_ == source.file->size && !after_.line_blank) {
    masks_[(size_ - 1) / kScanBlock] |= uint64_t{1} << ((size_ - 1) % kScanBlock);
  }
}

}  // namespace pj::plan
