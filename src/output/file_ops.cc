#include "output/file_ops.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/way_out.h"

namespace pj::output {

int FileOps::Open(const std::string& path, int flags, unsigned mode) {
  return ::open(path.c_str(), flags | O_CLOEXEC, mode);
}
ssize_t FileOps::ReadAt(int fd, char* to, size_t size, uint64_t at) {
  return ::pread(fd, to, size, static_cast<off_t>(at));
}
ssize_t FileOps::WriteAt(int fd, const char* from, size_t size, uint64_t at) {
  return ::pwrite(fd, from, size, static_cast<off_t>(at));
}
ssize_t FileOps::CopyRange(int from, uint64_t from_at, int to, uint64_t to_at, size_t size) {
  off64_t in = static_cast<off64_t>(from_at);
  off64_t out = static_cast<off64_t>(to_at);
  return ::copy_file_range(from, &in, to, &out, size, 0);
}
int FileOps::Truncate(int fd, uint64_t size) { return ::ftruncate(fd, static_cast<off_t>(size)); }
int FileOps::Sync(int fd) { return ::fdatasync(fd); }
int FileOps::SyncDir(int fd) { return ::fsync(fd); }
int FileOps::Rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str());
}
int FileOps::StatVfs(const std::string& path, struct statvfs* out) {
  return ::statvfs(path.c_str(), out);
}

FileOps& FileOps::Real() {
  static FileOps real;
  return real;
}

Result<UniqueFd> OpenPath(FileOps& files, const std::string& path, int flags) {
  const int fd = files.Open(path, flags, 0644);
  if (fd < 0) return FailWrite(errno, "cannot open", path, 0);
  return UniqueFd(fd);
}

Status WriteAllAt(FileOps& files, int fd, std::string_view bytes, uint64_t at,
                  const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = files.WriteAt(fd, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailWrite(errno, "cannot write", path, bytes.size());
    if (n == 0) return FailErrno(EIO, "cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Status ReadAllAt(FileOps& files, int fd, std::span<char> to, uint64_t at, const std::string& path) {
  const uint64_t end = at + to.size();
  while (at < end) {
    const ssize_t n = files.ReadAt(fd, to.data(), to.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read", path);
    if (n == 0) {
      return Corrupt(fmt::format("the file ends at byte {}, but {} were committed", at, end), path);
    }
    to = to.subspan(static_cast<size_t>(n));
    at += static_cast<uint64_t>(n);
  }
  return {};
}

Status SyncFile(FileOps& files, int fd, const std::string& path) {
  if (files.Sync(fd) != 0) return FailWrite(errno, "cannot sync", path, 0);
  return {};
}

Status SyncDirectory(FileOps& files, const std::string& dir) {
  PJ_ASSIGN(UniqueFd fd, OpenPath(files, dir, O_RDONLY | O_DIRECTORY));
  if (files.SyncDir(fd.get()) != 0) return FailErrno(errno, "cannot sync directory", dir);
  return {};
}

Result<uint64_t> FileSize(int fd, const std::string& path) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return FailErrno(errno, "cannot look at", path);
  return static_cast<uint64_t>(info.st_size);
}

std::unexpected<Error> Corrupt(const std::string& message, const std::string& where) {
  return Fail(Code::kCorrupt, "LedgerCorrupt: " + message, where, kStartAnew);
}

}  // namespace pj::output
