#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fault_point.h"
#include "base/hash.h"
#include "output/attempt_codec.h"
#include "output/file_ops.h"
#include "output/segment.h"
#include "output/segment_files.h"

namespace pj::output {

static_assert(sizeof(IndexEntry) == kIndexEntryBytes, "an entry lies on disk as in memory");

namespace {

constexpr size_t kPartBytes = 64 << 10;
constexpr size_t kOvershoot = 4 << 10;

// Bytes in parts. Between two commits of quick mini-batches there are many megabytes: a single
// string would take twice that, and three times while it grows.
class Parts {
 public:
  // Where to append.
  std::string& Tail() {
    if (parts_.empty()) parts_.emplace_back();
    if (Full()) {
      full_bytes_ += parts_.back().size();
      parts_.emplace_back().reserve(kPartBytes + kOvershoot);
    }
    return parts_.back();
  }
  std::string* Last() { return parts_.empty() ? nullptr : &parts_.back(); }
  bool Full() const { return !parts_.empty() && parts_.back().size() >= kPartBytes; }
  size_t bytes() const { return full_bytes_ + (parts_.empty() ? 0 : parts_.back().size()); }
  auto begin() const { return parts_.begin(); }
  auto end() const { return parts_.end(); }

 private:
  std::vector<std::string> parts_;
  size_t full_bytes_ = 0;  // of all but the last
};

}  // namespace

struct SegmentWriter::Pending {
  Parts rows;
  Parts index;
  Parts attempts;
  size_t bytes() const { return rows.bytes() + index.bytes() + attempts.bytes(); }
};

void SegmentWriter::PendingDeleter::operator()(Pending* pending) const { delete pending; }

namespace {

struct SegmentFile {
  UniqueFd fd;
  std::string path;
};

class Writer final : public SegmentWriter {
 public:
  Writer(std::string dir, ledger::OutputMark mark, FileOps& files)
      : encoder_(mark.segment),
        pending_(new Pending),
        rows_end_(mark.rows),
        attempts_begin_(mark.attempts),
        files_(files),
        dir_(std::move(dir)),
        mark_(std::move(mark)) {}

  Status OpenFiles(bool fresh) {
    PJ_ASSIGN(const SegmentPaths paths, PathsOf(dir_, mark_.segment));
    const int flags = O_RDWR | (fresh ? O_CREAT | O_TRUNC : 0);
    for (auto [file, path] : {std::pair(&rows_, &paths.rows), std::pair(&index_, &paths.index),
                              std::pair(&attempts_, &paths.attempts)}) {
      file->path = *path;
      PJ_ASSIGN(file->fd, OpenPath(files_, *path, flags));
    }
    if (fresh) return {};
    dir_synced_ = true;
    return TruncateToMark();
  }

  void AppendRows(uint64_t mini_batch, uint32_t attempt, std::string_view bytes,
                  uint64_t rows) override {
    const IndexEntry entry{mini_batch, attempt, Crc32c(bytes), rows_end_, bytes.size(), rows};
    char raw[kIndexEntryBytes];
    std::memcpy(raw, &entry, sizeof raw);
    pending_->index.Tail().append(raw, sizeof raw);
    pending_->rows.Tail().append(bytes);
    rows_end_ += bytes.size();
  }

  void AppendAttempt(const AttemptRecord& record) override {
    if (pending_->attempts.Full()) CloseAttempts();
    encoder_.Append(record, attempts_begin_, &pending_->attempts.Tail());
  }

  size_t PendingBytes() const override { return pending_->bytes(); }

  PendingPtr TakePending() override {
    CloseAttempts();
    return std::exchange(pending_, PendingPtr(new Pending));
  }

  Result<ledger::OutputMark> Commit(PendingPtr pending) override {
    if (pending && pending->bytes() > 0) unsaved_.push_back(std::move(pending));
    if (unsaved_.empty()) return mark_;
    Result<ledger::OutputMark> next = WriteUnsaved();
    if (!next) {
      // Best effort, so that a full disk gets its bytes back at once; repeated before the next
      // append.
      torn_ = !TruncateToMark().has_value();
      return next;
    }
    unsaved_.clear();
    mark_ = *next;
    return mark_;
  }

 private:
  // A block of attempts lies in one part.
  void CloseAttempts() {
    std::string* part = pending_->attempts.Last();
    if (part == nullptr) return;
    encoder_.Close(attempts_begin_, part);
    attempts_begin_ += part->size();
  }

  Result<ledger::OutputMark> WriteUnsaved() {
    if (torn_) PJ_TRY(TruncateToMark());
    torn_ = true;
    ledger::OutputMark next = mark_;
    for (const PendingPtr& part : unsaved_) {
      PJ_TRY(Write(rows_, part->rows, &next.rows));
      PJ_FAULT("segment_rows");
      PJ_TRY(Write(index_, part->index, &next.index));
      PJ_FAULT("segment_index");
      PJ_TRY(Write(attempts_, part->attempts, &next.attempts));
      PJ_FAULT("segment_attempts");
      for (const std::string& bytes : part->index) next.crc = Crc32c(bytes, next.crc);
    }
    if (next.rows != mark_.rows) PJ_TRY(SyncFile(files_, rows_.fd.get(), rows_.path));
    if (next.index != mark_.index) PJ_TRY(SyncFile(files_, index_.fd.get(), index_.path));
    if (next.attempts != mark_.attempts) {
      PJ_TRY(SyncFile(files_, attempts_.fd.get(), attempts_.path));
    }
    if (!dir_synced_) PJ_TRY(SyncDirectory(files_, dir_));
    dir_synced_ = true;
    torn_ = false;
    PJ_FAULT("segment_synced");
    return next;
  }

  Status Write(const SegmentFile& file, const Parts& parts, uint64_t* end) {
    for (const std::string& bytes : parts) {
      PJ_TRY(WriteAllAt(files_, file.fd.get(), bytes, *end, file.path));
      *end += bytes.size();
    }
    return {};
  }

  Status TruncateToMark() {
    PJ_TRY(Truncate(rows_, mark_.rows));
    PJ_TRY(Truncate(index_, mark_.index));
    PJ_TRY(Truncate(attempts_, mark_.attempts));
    torn_ = false;
    return {};
  }

  Status Truncate(const SegmentFile& file, uint64_t size) {
    if (files_.Truncate(file.fd.get(), size) != 0) {
      return FailErrno(errno, "cannot truncate", file.path);
    }
    return {};
  }

  // The agent's thread.
  AttemptEncoder encoder_;
  PendingPtr pending_;
  uint64_t rows_end_;        // offset of the next row in the file
  uint64_t attempts_begin_;  // offset in the file of the last part of pending_->attempts

  // The I/O thread. Only what is on storage counts as saved, so a failed part is kept and written
  // again.
  FileOps& files_;
  const std::string dir_;
  SegmentFile rows_, index_, attempts_;
  ledger::OutputMark mark_;
  std::vector<PendingPtr> unsaved_;
  bool torn_ = false;  // bytes beyond the mark may lie in the files
  bool dir_synced_ = false;
};

}  // namespace

std::string SegmentStem(uint64_t lo, uint64_t epoch, const std::string& holder,
                        const std::string& incarnation) {
  std::string stem = fmt::format("{}-{}-{}-{}", lo, epoch, holder, incarnation);
  for (char& c : stem) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_';
    if (!plain) c = '_';
  }
  return stem;
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Open(
    const std::string& dir, const std::string& stem,
    const std::optional<ledger::OutputMark>& committed, FileOps* files) {
  ledger::OutputMark mark;
  if (committed) {
    if (committed->segment != stem) {
      return Fail(Code::kInternal, "the mark is of another segment: " + committed->segment, stem);
    }
    // Never append to what is damaged.
    PJ_TRY(ReadIndex(dir, *committed, [](const IndexEntry&) {}));
    PJ_TRY(ReadAttempts(dir, *committed, [](const AttemptRecord&) {}));
    mark = *committed;
  }
  mark.segment = stem;
  auto writer = std::make_unique<Writer>(dir, mark, files != nullptr ? *files : FileOps::Real());
  PJ_TRY(writer->OpenFiles(!committed));
  return writer;
}

}  // namespace pj::output
