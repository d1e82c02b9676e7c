// Chunk: a piece of a file, some records long, with the ends of its records marked.
//
// Chunks of a file can be scanned by several threads: all begin behind a newline that is found in
// the text alone, and take it for the end of a record. Whether it was one (it may stand within
// quotes) shows when the chunk before is done; if not, the chunk is marked again.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "plan/plan.h"
#include "plan/record_scan.h"

namespace pj::plan {

inline constexpr size_t kChunkBytes = 1 << 20;

// The file to be scanned. `begin`: behind the byte order mark or the header.
struct ScanSource {
  int fd = -1;
  const FileRef* file = nullptr;
  ScanOptions options = {};
  uint64_t begin = 0;
  bool split_at_newlines = false;  // else chunks have fixed sizes
};

// How many chunks `source` has. The first ones are short: often only a header is wanted.
uint64_t ChunkCount(const ScanSource& source);

// Memory for one chunk after the other, about 1.2 MB. Belongs to one thread at a time.
class Chunk {
 public:
  // Reads and marks chunk `index`, which follows `state`. A file that ends before its size at
  // planning time is kConflict.
  Status Load(const ScanSource& source, uint64_t index, const ScanState& state);
  // Marks it again if it did not follow what Load was told.
  void Follow(const ScanSource& source, const ScanState& state);

  uint64_t begin() const { return begin_; }
  size_t size() const { return size_; }
  const char* data() const { return data_.get() + skipped_; }
  // Bit i % 64 of masks()[i / 64] says that a record ends with byte i; so does the file's last one,
  // newline or not.
  const uint64_t* masks() const { return masks_.data(); }
  size_t blocks() const { return (size_ + kScanBlock - 1) / kScanBlock; }
  // What lies before the next chunk.
  const ScanState& after() const { return after_; }

 private:
  Status Read(const ScanSource& source, uint64_t offset, size_t until);
  Status FindBegin(const ScanSource& source, uint64_t offset);
  Status FindEnd(const ScanSource& source, uint64_t offset, size_t length);
  size_t BehindNewline(size_t from) const;
  void Mark(RecordScanner* scanner, size_t until);
  void MarkRest(const ScanSource& source, RecordScanner* scanner);

  std::unique_ptr<char[]> data_;
  std::vector<uint64_t> masks_;
  size_t read_ = 0;     // bytes in data_
  size_t skipped_ = 0;  // of them belong to the chunk before
  size_t marked_ = 0;   // blocks
  uint64_t begin_ = 0;
  size_t size_ = 0;
  ScanState before_;
  ScanState after_;
};

}  // namespace pj::plan
