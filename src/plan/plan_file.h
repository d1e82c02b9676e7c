// The plan file: layout and writer. Reading it back is OpenPlan (plan.h).
//
//   "PJPLAN01"                                   8 bytes
//   file groups and mini-batch bodies, as they come, each with its length as varint before it:
//     group  up to kGroupFiles files: { varint shared · bytes rest of the path · varint size
//            · varint zigzag(mtime − mtime before) · varint header } (shared: bytes in common with
//            the path before)
//     body   varint items · varint source · a value (bytes) for each key · varint n · n × piece
//            file list: piece = varint zigzag(first file − end before) · varint files
//            table:     piece = varint zigzag(file − file before) · varint offset (− end before, in
//            the same
//                       file) · varint length · varint records
//   group index  u64 offset of each group
//   body index   u64 offset of each body
//   meta         sources, key names, hash of the paths, table schema
//   checksums    CRC-32C of each 64 KiB of all of the above
//   footer       kFooterBytes: counts, offsets, SHA-256 (hex) of all before the checksums, CRC-32Cs
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "base/hash.h"
#include "base/result.h"
#include "plan/plan.h"

namespace pj::plan {

inline constexpr std::string_view kPlanMagic = "PJPLAN01";
inline constexpr uint32_t kPlanVersion = 1;
inline constexpr uint64_t kGroupFiles = 16;
inline constexpr uint64_t kFooterBytes = 8 + 4 + 4 + 7 * 8 + 64 + 4 + 4;

struct PlanFooter {
  uint64_t data_bytes = 0;  // up to the checksums
  uint64_t mini_batches = 0;
  uint64_t total_items = 0;
  uint64_t files = 0;
  uint64_t group_index = 0;  // offsets
  uint64_t body_index = 0;
  uint64_t meta = 0;
  std::string hash;
  uint32_t checksums_crc = 0;
  bool table = false;
};

struct PlanMeta {
  std::vector<std::string> sources;
  std::vector<std::string> keys;
  std::string paths_hash;
  bool table = false;
  TableSchema schema;
};

std::string EncodeFooter(const PlanFooter& footer);
Result<PlanFooter> DecodeFooter(std::string_view bytes);
std::string EncodeMeta(const PlanMeta& meta);
Result<PlanMeta> DecodeMeta(std::string_view bytes);

inline uint64_t ZigZag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ (v < 0 ? UINT64_MAX : 0);
}
inline int64_t UnZigZag(uint64_t v) { return static_cast<int64_t>((v >> 1) ^ (0 - (v & 1))); }
// Difference and sum modulo 2⁶⁴: no overflow, whatever a file says.
inline int64_t Delta(uint64_t a, uint64_t b) { return static_cast<int64_t>(a - b); }

// The pieces of one mini-batch, kept in their final form: a few bytes each.
class PieceList {
 public:
  void AddFiles(uint64_t first, uint64_t count);
  void AddRange(uint64_t file, uint64_t offset, uint64_t length, uint64_t records);
  uint64_t count() const { return count_; }
  uint64_t items() const { return items_; }
  const std::string& bytes() const { return bytes_; }
  std::string TakeBytes() { return std::exchange(bytes_, {}); }

 private:
  void Put(uint64_t v);
  std::string bytes_;
  uint64_t count_ = 0;
  uint64_t items_ = 0;
  uint64_t file_ = 0;  // file of the range before, or end of the files before
  uint64_t end_ = 0;
};

// Appends one key's value to the packed keys of a mini-batch.
void PackKey(std::string_view value, std::string* packed);

// Growing offsets, about two bytes each.
class OffsetList {
 public:
  void Add(uint64_t offset);
  uint64_t size() const { return count_; }
  // Calls `sink(offset)` for each, until it fails.
  template <typename Sink>
  Status ForEach(const Sink& sink) const {
    uint64_t offset = 0;
    for (size_t at = 0; at < steps_.size();) {
      uint64_t step = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<uint8_t>(steps_[at++]);
        step |= uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) break;
      }
      offset += step;
      PJ_TRY(sink(offset));
    }
    return {};
  }

 private:
  std::string steps_;  // varints
  uint64_t last_ = 0;
  uint64_t count_ = 0;
};

// Writes a plan from front to back; memory is eight bytes a mini-batch (its place in the index).
// Not thread-safe. Without Finish() nothing is left behind.
class PlanWriter {
 public:
  static Result<std::unique_ptr<PlanWriter>> Create(const std::string& path);
  ~PlanWriter();

  // Returns the file's number, from 0. `header` counts for tables only.
  Result<uint64_t> AddFile(const FileRef& file, uint32_t header = 0);
  // One mini-batch. `source` is an index into PlanMeta::sources; `keys`: see PackKey.
  Status AddMiniBatch(uint32_t source, std::string_view keys, const PieceList& pieces);
  // The same in parts, for pieces that did not stay in memory: the head, then Append() of
  // `piece_bytes` bytes of pieces in all.
  struct BodyHead {
    uint32_t source = 0;
    std::string_view keys;
    uint64_t items = 0;
    uint64_t pieces = 0;
    uint64_t piece_bytes = 0;
  };
  Status BeginMiniBatch(const BodyHead& head);
  Status Append(std::string_view bytes);

  uint64_t files() const { return files_; }
  uint64_t mini_batches() const { return bodies_.size(); }
  // Completes the file under its name, durably.
  Status Finish(const PlanMeta& meta);

 private:
  PlanWriter(std::string path, std::string temporary, UniqueFd fd);
  Status FlushGroup();
  Status Flush(bool all);
  Status FinishFile(const PlanMeta& meta);
  Status AppendIndex(const OffsetList& offsets);
  uint64_t Offset() const { return flushed_ + buffer_.size(); }

  std::string path_;
  std::string temporary_;  // empty once renamed
  UniqueFd fd_;
  Sha256 sha_;
  std::string buffer_;
  uint64_t flushed_ = 0;
  std::vector<uint32_t> crcs_;
  OffsetList groups_;
  OffsetList bodies_;
  uint64_t total_items_ = 0;
  uint64_t files_ = 0;
  std::string group_;
  uint64_t group_files_ = 0;
  std::string last_path_;
  int64_t last_mtime_ = 0;
};

}  // namespace pj::plan
