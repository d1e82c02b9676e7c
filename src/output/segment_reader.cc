#include <fmt/core.h>

#include <cstring>

#include "base/hash.h"
#include "output/attempt_codec.h"
#include "output/file_ops.h"
#include "output/segment.h"
#include "output/segment_files.h"
#include "output/shared_volume.h"

namespace pj::output {
namespace {

Status CheckEntries(const std::vector<IndexEntry>& entries, const ledger::OutputMark& mark,
                    const std::string& path) {
  uint64_t end = 0;
  for (const IndexEntry& entry : entries) {
    if (entry.offset != end || entry.length > mark.rows - end) {
      return Corrupt(
          fmt::format("the entry of mini-batch {} covers bytes {} to {}, but {} of {} "
                      "bytes come next",
                      entry.mini_batch, entry.offset, entry.offset + entry.length, end, mark.rows),
          path);
    }
    end += entry.length;
  }
  if (end != mark.rows) {
    return Corrupt(fmt::format("the entries cover {} of {} committed bytes", end, mark.rows), path);
  }
  return {};
}

Result<uint32_t> ReadBlock(int fd, const ledger::OutputMark& mark, uint64_t at,
                           const std::string& path, std::string* payload) {
  uint32_t header[2] = {};
  static_assert(sizeof header == kBlockHeaderBytes);
  if (mark.attempts - at < sizeof header) return Corrupt("a block is cut off", path);
  PJ_TRY(ReadAllAt(FileOps::Real(), fd, reinterpret_cast<char*>(header), sizeof header, at, path));
  const auto [size, crc] = header;
  if (size > mark.attempts - at - sizeof header) {
    return Corrupt(fmt::format("the block at byte {} is longer than what was committed", at), path);
  }
  payload->resize(size);
  PJ_TRY(ReadAllAt(FileOps::Real(), fd, payload->data(), size, at + sizeof header, path));
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

Result<std::vector<IndexEntry>> ReadIndex(const std::string& dir, const ledger::OutputMark& mark,
                                          FileOps* files) {
  FileOps& ops = files != nullptr ? *files : FileOps::Real();
  PJ_ASSIGN(const SegmentPaths paths, PathsOf(dir, mark.segment));
  if (mark.index % kIndexEntryBytes != 0) {
    return Corrupt(fmt::format("{} bytes are no whole number of entries", mark.index), paths.index);
  }
  PJ_TRY(OpenCommitted(ops, paths.rows, mark.rows));
  PJ_ASSIGN(UniqueFd fd, OpenCommitted(ops, paths.index, mark.index));
  std::vector<IndexEntry> entries(mark.index / kIndexEntryBytes);
  char* bytes = reinterpret_cast<char*>(entries.data());
  PJ_TRY(ReadAllAt(FileOps::Real(), fd.get(), bytes, mark.index, 0, paths.index));
  const uint32_t crc = Crc32c({bytes, mark.index});
  if (crc != mark.crc) {
    return Corrupt(
        fmt::format("the index's checksum is {:08x}, the ledger's {:08x}", crc, mark.crc),
        paths.index);
  }
  PJ_TRY(CheckEntries(entries, mark, paths.index));
  return entries;
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
