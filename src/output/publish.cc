#include "output/publish.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/hash.h"
#include "base/rename_onto.h"
#include "output/file_ops.h"
#include "output/row_copier.h"
#include "output/shard_rows.h"

namespace pj::output {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPieceBytes = 1 << 20;

// Process numbers are no names: two pods that publish at a time may have the same.
std::string UniqueSuffix() {
  uint64_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) {
    number = static_cast<uint64_t>(SystemClock().Wall().time_since_epoch().count());
  }
  return fmt::format("{}-{:016x}", ::getpid(), number);
}

// A file that is not yet the destination. Locked while its maker lives, so that the next publisher
// can tell what a killed one left; removed on destruction unless it was renamed.
class Draft {
 public:
  static Result<Draft> Create(FileOps& files, const std::string& destination) {
    const fs::path path(destination);
    Draft draft;
    draft.dir_ = path.has_parent_path() ? path.parent_path().string() : ".";
    const std::string prefix = "." + path.filename().string() + ".publishing-";
    RemoveLeftovers(draft.dir_, prefix);
    draft.path_ = fmt::format("{}/{}{}", draft.dir_, prefix, UniqueSuffix());
    PJ_ASSIGN(draft.fd_, OpenPath(files, draft.path_, O_RDWR | O_CREAT | O_EXCL));
    if (::flock(draft.fd_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      draft.path_.clear();  // not ours to remove
      return Fail(Code::kUnavailable, "another publisher is at work", destination);
    }
    return draft;
  }
  Draft() = default;
  Draft(Draft&& other) noexcept
      : dir_(std::move(other.dir_)),
        path_(std::exchange(other.path_, {})),
        fd_(std::move(other.fd_)) {}
  Draft& operator=(Draft&&) = delete;
  ~Draft() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  // Makes the content durable, then visible, then the name durable.
  Status Become(FileOps& files, const std::string& destination, const RowCopier& made) {
    const uint64_t bytes = made.bytes();
    PJ_ASSIGN(const uint64_t size, FileSize(fd(), path_));
    if (size != bytes) {
      return Fail(Code::kIo, fmt::format("{} bytes were written, {} are there", bytes, size),
                  path_);
    }
    PJ_TRY(SyncFile(files, fd(), path_));
    PJ_FAULT("publish_copied");
    RenameOntoOptions options;
    options.rename = [&files](const auto& from, const auto& to) { return files.Rename(from, to); };
    options.is_there = [&] { return Holds(files, destination, made); };
    PJ_TRY(RenameOnto(path_, destination, options));
    path_.clear();
    PJ_FAULT("publish_renamed");
    return SyncDirectory(files, dir_);
  }

 private:
  static bool Holds(FileOps& files, const std::string& path, const RowCopier& made) {
    const Result<UniqueFd> fd = OpenFile(path, O_RDONLY);
    if (!fd) return false;
    const Result<uint64_t> size = FileSize(fd->get(), path);
    if (!size || *size != made.bytes()) return false;
    std::string piece(kPieceBytes, '\0');
    uint32_t crc = 0;
    for (uint64_t at = 0; at < *size; at += piece.size()) {
      piece.resize(std::min(kPieceBytes, *size - at));
      if (!ReadAllAt(files, fd->get(), piece, at, path)) return false;
      crc = Crc32c(piece, crc);
    }
    return crc == made.crc();
  }

  static void RemoveLeftovers(const std::string& dir, const std::string& prefix) {
    std::error_code error;
    for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
         entry.increment(error)) {
      const fs::path& path = entry->path();
      if (!path.filename().string().starts_with(prefix)) continue;
      Result<UniqueFd> fd = OpenFile(path.string(), O_RDWR);
      if (fd && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
    }
  }

  std::string dir_;
  std::string path_;
  UniqueFd fd_;
};

uint64_t CommittedBytes(const PublishRequest& request) {
  uint64_t bytes = 0;
  for (const ledger::ShardRecord& shard : request.shards) {
    for (const ledger::OutputMark& mark : shard.outputs) bytes += mark.rows;
  }
  return bytes;
}

Status CheckSpace(FileOps& files, const std::string& destination, uint64_t needed) {
  const fs::path parent = fs::path(destination).parent_path();
  const std::string dir = parent.empty() ? "." : parent.string();
  struct statvfs info{};
  if (files.StatVfs(dir, &info) != 0) return FailErrno(errno, "cannot ask for free space", dir);
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (free >= needed) return {};
  return Fail(Code::kNoSpace,
              fmt::format("the file system {} has {} bytes free, {} are needed for the output",
                          MountPointOf(dir), free, needed),
              dir, "free some space and start the same command again: it goes on from here");
}

Status Refuse(const std::vector<std::string>& findings, const std::string& where) {
  if (findings.empty()) return {};
  std::string message = findings.front();
  if (findings.size() > 1) message += fmt::format(" (and {} more)", findings.size() - 1);
  if (message.starts_with("LedgerCorrupt: ")) message.erase(0, 15);
  return Corrupt(message, where);
}

}  // namespace

Result<Published> Publish(const PublishRequest& request) {
  FileOps& files = request.files != nullptr ? *request.files : FileOps::Real();
  std::vector<std::string> findings;
  CheckPartition(request, &findings);
  PJ_TRY(Refuse(findings, request.segments_dir));
  const uint64_t needed = CommittedBytes(request);
  if (!request.complete && needed == 0) return Published{};
  PJ_TRY(CheckSpace(files, request.destination, needed + request.header.size()));
  PJ_ASSIGN(Draft draft, Draft::Create(files, request.destination));
  RowCopier copier(files, draft.fd(), draft.path());
  PJ_TRY(copier.Header(request.header));
  for (const ledger::ShardRecord& shard : request.shards) {
    PJ_ASSIGN(const ShardRows rows, ShardRows::Load(request, shard, &findings));
    PJ_TRY(Refuse(findings, request.segments_dir));
    PJ_TRY(copier.Shard(rows));
  }
  PJ_TRY(draft.Become(files, request.destination, copier));
  return Published{request.destination, copier.bytes(), copier.rows(), copier.crc()};
}

}  // namespace pj::output
