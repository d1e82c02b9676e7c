#include "plan/table_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace pj::plan {
namespace {

FileRef Fingerprint(const std::string& path, const struct stat& info) {
  return {path, static_cast<uint64_t>(info.st_size),
          int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

// Carries the beginning of a record from window to window.
class RecordCutter {
 public:
  RecordCutter(uint64_t begin, const TableFile::RecordSink& sink) : sink_(sink), begin_(begin) {}

  Result<bool> Window(const ScanWindow& window) {
    size_t from = 0;
    for (size_t i = 0; i < window.blocks; ++i) {
      for (uint64_t mask = window.masks[i]; mask != 0; mask &= mask - 1) {
        const size_t end = i * kScanBlock + static_cast<size_t>(std::countr_zero(mask)) + 1;
        PJ_ASSIGN(const bool more, Emit({window.data + from, end - from}, window.offset + end));
        if (!more) return false;
        from = end;
      }
    }
    carry_.append(window.data + from, window.size - from);
    if (carry_.size() > kMaxRecordBytes) {
      return Fail(Code::kTooLarge, fmt::format("record at byte {} is longer than {} bytes", begin_,
                                               kMaxRecordBytes));
    }
    return true;
  }

 private:
  Result<bool> Emit(std::string_view bytes, uint64_t end) {
    RecordRef record{bytes, begin_, end};
    if (!carry_.empty()) record.bytes = carry_.append(bytes);
    PJ_ASSIGN(const bool more, sink_(record));
    carry_.clear();
    begin_ = end;
    return more;
  }

  const TableFile::RecordSink& sink_;
  uint64_t begin_;
  std::string carry_;
};

}  // namespace

Result<TableFile> TableFile::Open(const std::string& path, const DelimitedOptions& options,
                                  ScanBuffers* buffers) {
  TableFile out;
  PJ_ASSIGN(out.encoding_, ParseEncoding(options.encoding));
  PJ_ASSIGN(out.fd_, OpenFile(path, O_RDONLY | O_NONBLOCK));
  struct stat info{};
  if (::fstat(out.fd_.get(), &info) != 0) return FailErrno(errno, "cannot stat", path);
  if (!S_ISREG(info.st_mode)) return Fail(Code::kInvalid, "is not a regular file", path);
  out.ref_ = Fingerprint(path, info);
  out.buffers_ = buffers;
  PJ_ASSIGN(const std::string head,
            ReadAt(out.fd_.get(), 0, std::min<uint64_t>(out.ref_.size, 4), path));
  out.start_ = DetectStart(out.encoding_, head);
  out.scan_ = {options.delimiter, options.support_multi_line, out.start_.unit};
  return out;
}

Status TableFile::ForEachWindow(uint64_t begin, const WindowSink& sink) const {
  ChunkReader reader({fd_.get(), &ref_, scan_, begin}, buffers_);
  while (true) {
    PJ_ASSIGN(const Chunk* chunk, reader.Next());
    if (chunk == nullptr) return {};
    if (chunk->size() == 0) continue;
    PJ_ASSIGN(const bool more, sink({chunk->begin(), chunk->data(), chunk->size(), chunk->masks(),
                                     chunk->blocks()}));
    if (!more) return {};
  }
}

Status TableFile::ForEachRecord(uint64_t begin, const RecordSink& sink) const {
  RecordCutter cutter(begin, sink);
  return ForEachWindow(begin, [&](const ScanWindow& window) { return cutter.Window(window); });
}

Status TableFile::CheckUnchanged() const {
  struct stat info{};
  if (::fstat(fd_.get(), &info) != 0) return FailErrno(errno, "cannot stat", ref_.path);
  if (Fingerprint(ref_.path, info) == ref_) return {};
  return Fail(Code::kConflict, "input changed while it was planned", ref_.path,
              "start again when nothing writes to it any more");
}

}  // namespace pj::plan
