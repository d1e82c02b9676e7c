// RowCopier: writes the rows of shard after shard to the file that is being published, and reads
// them back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "output/file_ops.h"
#include "output/shard_rows.h"

namespace pj::output {

class RowsReader;

// Not thread-safe. Does not own the destination.
class RowCopier {
 public:
  RowCopier(FileOps& files, int fd, std::string path)
      : files_(files), fd_(fd), path_(std::move(path)) {}

  Status Header(std::string_view header);
  // Appends the shard's rows in mini-batch order, then compares what lies in the destination with
  // the entries' checksums. A difference is kCorrupt and names the mini-batch.
  Status Shard(const ShardRows& rows);

  uint64_t bytes() const { return written_; }
  uint64_t rows() const { return rows_; }
  uint32_t crc() const { return crc_; }

 private:
  struct Run {
    uint32_t segment = ShardRows::kNone;
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  Status Copy(const ShardRows& rows, const Run& run, std::vector<RowsReader>* readers);
  Status CopyLong(const ShardRows::Segment& segment, const Run& run);
  Status CopyByHand(const ShardRows::Segment& segment, uint64_t at, uint64_t end);
  Status Put(std::string_view bytes);
  Status FlushBuffer();
  Status Verify(const ShardRows& rows, uint64_t begin);

  FileOps& files_;
  int fd_;
  std::string path_;
  std::string buffer_;     // bytes from written_ on that are not in the file yet
  bool by_kernel_ = true;  // copy_file_range works here
  uint64_t written_ = 0;
  uint64_t rows_ = 0;
  uint32_t crc_ = 0;
};

// Reads rows in the order of entries and compares each mini-batch's bytes with its checksum.
class RowChecker {
 public:
  explicit RowChecker(uint32_t crc) : crc_(crc) {}
  void Begin(const IndexEntry& entry) { entry_ = &entry, part_ = 0; }
  void Feed(std::string_view bytes);
  bool Matches() const { return part_ == entry_->crc; }
  uint32_t crc() const { return crc_; }  // of everything fed

 private:
  const IndexEntry* entry_ = nullptr;
  uint32_t part_ = 0;
  uint32_t crc_;
};

}  // namespace pj::output
