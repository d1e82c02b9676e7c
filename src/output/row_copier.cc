#include "output/row_copier.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "base/hash.h"
#include "output/rows_reader.h"

namespace pj::output {
namespace {

// From here on the kernel copies; below, gathering beats a system call for each run.
constexpr uint64_t kLongRun = 128 << 10;
static_assert(kLongRun <= RowsReader::kWindow - RowsReader::kLookBack);
constexpr size_t kBuffer = 1 << 20;

// Errors that mean "this file system cannot", not "this storage is broken".
bool MeansByHand(int error) {
  return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
         error == EBADF || error == EPERM || error == ETXTBSY;
}

}  // namespace

void RowChecker::Feed(std::string_view bytes) {
  part_ = Crc32c(bytes, part_);
  crc_ = Crc32c(bytes, crc_);
}

Status RowCopier::Header(std::string_view header) {
  PJ_TRY(Put(header));
  PJ_TRY(FlushBuffer());
  crc_ = Crc32c(header, crc_);
  return {};
}

Status RowCopier::Shard(const ShardRows& rows) {
  std::vector<RowsReader> readers;
  for (const ShardRows::Segment& segment : rows.segments()) {
    readers.emplace_back(files_, segment.fd.get(), segment.path, segment.rows_bytes);
  }
  const uint64_t begin = written_;
  Run run;
  for (const ShardRows::Place& place : rows.places()) {
    if (place.segment == ShardRows::kNone || place.entry.length == 0) continue;
    if (place.segment == run.segment && place.entry.offset == run.offset + run.length) {
      run.length += place.entry.length;
      continue;
    }
    PJ_TRY(Copy(rows, run, &readers));
    run = {place.segment, place.entry.offset, place.entry.length};
  }
  PJ_TRY(Copy(rows, run, &readers));
  PJ_TRY(FlushBuffer());
  return Verify(rows, begin);
}

Status RowCopier::Copy(const ShardRows& rows, const Run& run, std::vector<RowsReader>* readers) {
  if (run.length == 0) return {};
  if (run.length >= kLongRun) return CopyLong(rows.segments()[run.segment], run);
  PJ_ASSIGN(const std::string_view bytes, (*readers)[run.segment].Read(run.offset, run.length));
  return Put(bytes);
}

Status RowCopier::CopyLong(const ShardRows::Segment& segment, const Run& run) {
  PJ_TRY(FlushBuffer());
  uint64_t at = run.offset;
  const uint64_t end = run.offset + run.length;
  while (by_kernel_ && at < end) {
    const ssize_t n = files_.CopyRange(segment.fd.get(), at, fd_, written_, end - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && !MeansByHand(errno)) return FailWrite(errno, "cannot write", path_, end - at);
    if (n <= 0) {  // 0: the source has ended, or a file system that only claims so
      by_kernel_ = false;
      break;
    }
    at += static_cast<uint64_t>(n);
    written_ += static_cast<uint64_t>(n);
  }
  return CopyByHand(segment, at, end);
}

Status RowCopier::CopyByHand(const ShardRows::Segment& segment, uint64_t at, uint64_t end) {
  std::string part;
  while (at < end) {
    part.resize(std::min<uint64_t>(kBuffer, end - at));
    PJ_TRY(ReadAllAt(files_, segment.fd.get(), part, at, segment.path));
    PJ_TRY(Put(part));
    at += part.size();
  }
  return {};
}

Status RowCopier::Put(std::string_view bytes) {
  buffer_.append(bytes);
  return buffer_.size() >= kBuffer ? FlushBuffer() : Status();
}

Status RowCopier::FlushBuffer() {
  PJ_TRY(WriteAllAt(files_, fd_, buffer_, written_, path_));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status RowCopier::Verify(const ShardRows& rows, uint64_t begin) {
  RowChecker checker(crc_);
  std::string window;
  uint64_t at = begin;  // of the next byte to read
  size_t used = 0;      // of the window
  for (const ShardRows::Place& place : rows.places()) {
    if (place.segment == ShardRows::kNone) continue;
    checker.Begin(place.entry);
    for (uint64_t left = place.entry.length; left > 0;) {
      if (used == window.size()) {
        window.resize(std::min<uint64_t>(kBuffer, written_ - at));
        PJ_TRY(ReadAllAt(files_, fd_, window, at, path_));
        at += window.size();
        used = 0;
      }
      const uint64_t n = std::min<uint64_t>(left, window.size() - used);
      checker.Feed(std::string_view(window).substr(used, n));
      used += n;
      left -= n;
    }
    if (!checker.Matches()) {
      return Corrupt(fmt::format("the rows of mini-batch {} do not match their checksum",
                                 place.entry.mini_batch),
                     rows.segments()[place.segment].path);
    }
    rows_ += place.entry.rows;
  }
  crc_ = checker.crc();
  return {};
}

}  // namespace pj::output
