#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/hash.h"
#include "output/attempt_codec.h"
#include "output/file_ops.h"
#include "output/segment.h"
#include "output/segment_files.h"
#include "output/shared_volume.h"

namespace pj::output {
namespace {

constexpr size_t kPieceEntries = 4096;

// The entries of one segment's index, a piece at a time.
class Index {
 public:
  Index(const UniqueFd& fd, const ledger::OutputMark& mark, const std::string& path)
      : fd_(fd), mark_(mark), path_(path) {}

  Status ForEach(const std::function<Status(const IndexEntry&)>& each) {
    crc_ = 0;
    std::vector<IndexEntry> piece;
    for (uint64_t at = 0; at < mark_.index; at += piece.size() * kIndexEntryBytes) {
      piece.resize(std::min<uint64_t>(kPieceEntries, (mark_.index - at) / kIndexEntryBytes));
      char* bytes = reinterpret_cast<char*>(piece.data());
      const size_t size = piece.size() * kIndexEntryBytes;
      PJ_TRY(ReadAllAt(FileOps::Real(), fd_.get(), {bytes, size}, at, path_));
      crc_ = Crc32c({bytes, size}, crc_);
      for (const IndexEntry& entry : piece) PJ_TRY(each(entry));
    }
    return {};
  }

  // A damaged one is told by its checksum, before what its entries say.
  Status Check() {
    Status gaps;
    uint64_t end = 0;
    PJ_TRY(ForEach([&](const IndexEntry& entry) -> Status {
      if (gaps) gaps = CheckEntry(entry, end);
      end += entry.length;
      return {};
    }));
    if (crc_ != mark_.crc) {
      return Corrupt(
          fmt::format("the index's checksum is {:08x}, the ledger's {:08x}", crc_, mark_.crc),
          path_);
    }
    PJ_TRY(gaps);
    if (end == mark_.rows) return {};
    return Corrupt(fmt::format("the entries cover {} of {} committed bytes", end, mark_.rows),
                   path_);
  }

 private:
  // `end`: of the entry before.
  Status CheckEntry(const IndexEntry& entry, uint64_t end) const {
    if (entry.offset == end && entry.length <= mark_.rows - end) return {};
    return Corrupt(
        fmt::format("the entry of mini-batch {} covers bytes {} to {}, but {} of {} "
                    "bytes come next",
                    entry.mini_batch, entry.offset, entry.offset + entry.length, end, mark_.rows),
        path_);
  }

  const UniqueFd& fd_;
  const ledger::OutputMark& mark_;
  const std::string& path_;
  uint32_t crc_ = 0;  // of what ForEach read
};

Result<uint32_t> ReadBlock(int fd, const ledger::OutputMark& mark, uint64_t at,
                           const std::string& path, std::string* payload) {
  uint32_t header[2] = {};
  static_assert(sizeof header == kBlockHeaderBytes);
  if (mark.attempts - at < sizeof header) return Corrupt("a block is cut off", path);
  const std::span<char> bytes(reinterpret_cast<char*>(header), sizeof header);
  PJ_TRY(ReadAllAt(FileOps::Real(), fd, bytes, at, path));
  const auto [size, crc] = header;
  if (size > mark.attempts - at - sizeof header) {
    return Corrupt(fmt::format("the block at byte {} is longer than what was committed", at), path);
  }
  payload->resize(size);
  PJ_TRY(ReadAllAt(FileOps::Real(), fd, {payload->data(), size}, at + sizeof header, path));
  if (BlockCrc(mark.segment, at, *payload) != crc) {
    return Corrupt(fmt::format("the block at byte {} does not match its checksum", at), path);
  }
  return size;
}

}  // namespace

Result<SegmentPaths> PathsOf(const std::string& dir, const std::string& stem) {
  if (stem.empty() || stem.find('/') != std::string::npos || stem.front() == '.' ||
      stem.find('\0') != std::string::npos) {
    return Corrupt(fmt::format("'{}' is no name of a segment", stem), dir);
  }
  const std::string base = dir + "/" + stem;
  return SegmentPaths{base + ".rows", base + ".index", base + ".attempts"};
}

Status ReadIndex(const std::string& dir, const ledger::OutputMark& mark,
                 const std::function<void(const IndexEntry&)>& each, FileOps* files) {
  FileOps& ops = files != nullptr ? *files : FileOps::Real();
  PJ_ASSIGN(const SegmentPaths paths, PathsOf(dir, mark.segment));
  if (mark.index % kIndexEntryBytes != 0) {
    return Corrupt(fmt::format("{} bytes are no whole number of entries", mark.index), paths.index);
  }
  PJ_TRY(OpenCommitted(ops, paths.rows, mark.rows));
  PJ_ASSIGN(const UniqueFd fd, OpenCommitted(ops, paths.index, mark.index));
  Index index(fd, mark, paths.index);
  PJ_TRY(index.Check());
  return index.ForEach([&each](const IndexEntry& entry) -> Status {
    each(entry);
    return {};
  });
}

Status ReadAttempts(const std::string& dir, const ledger::OutputMark& mark,
                    const std::function<void(const AttemptRecord&)>& each, uint64_t from,
                    FileOps* files) {
  FileOps& ops = files != nullptr ? *files : FileOps::Real();
  PJ_ASSIGN(const SegmentPaths paths, PathsOf(dir, mark.segment));
  PJ_ASSIGN(UniqueFd fd, OpenCommitted(ops, paths.attempts, mark.attempts));
  std::string payload;
  for (uint64_t at = from; at < mark.attempts; at += kBlockHeaderBytes + payload.size()) {
    PJ_TRY(ReadBlock(fd.get(), mark, at, paths.attempts, &payload));
    if (!DecodeBlock(payload, each)) {
      return Corrupt(fmt::format("the block at byte {} is not made of attempt records", at),
                     paths.attempts);
    }
  }
  return {};
}

}  // namespace pj::output
