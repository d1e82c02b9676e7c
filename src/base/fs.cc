#include "base/fs.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/rename_onto.h"

namespace pj {
namespace {

// Sizes up to here are read without asking how long the file is.
constexpr uint64_t kTrustedSize = 1 << 20;

}  // namespace

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::string MountPointOf(const std::string& path) {
  std::error_code error;
  std::filesystem::path at = std::filesystem::absolute(path, error).lexically_normal();
  struct stat info{};
  while (::stat(at.c_str(), &info) != 0 && at.has_relative_path()) at = at.parent_path();
  const dev_t device = info.st_dev;
  while (at.has_relative_path()) {
    const std::filesystem::path above = at.parent_path();
    if (::stat(above.c_str(), &info) != 0 || info.st_dev != device) break;
    at = above;
  }
  return at.string();
}

std::string DescribeSpace(const std::string& path, uint64_t needed) {
  const std::string mount = MountPointOf(path);
  struct statvfs info{};
  if (::statvfs(mount.c_str(), &info) != 0) return "the file system " + mount + " is full";
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  std::string text = fmt::format("the file system {} has {} bytes free", mount, free);
  if (info.f_files > 0 && info.f_favail == 0) text += " and room for no more files";
  return needed == 0 ? text : text + fmt::format(", at least {} are needed", needed);
}

std::unexpected<Error> FailWrite(int err, const std::string& what, const std::string& path,
                                 uint64_t needed) {
  auto failed = FailErrno(err, what, path);
  if (failed.error().code == Code::kNoSpace) {
    failed.error().message += ": " + DescribeSpace(path, needed);
    failed.error().hint = "free some space and start the same command again: it goes on from here";
  }
  return failed;
}

Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return FailWrite(errno, "cannot open", path, 0);
  return UniqueFd(fd);
}

Result<UniqueFd> OpenScratchFile(const std::string& dir) {
  UniqueFd unnamed(::open(dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (unnamed.valid()) return unnamed;
  // Network file systems do not have O_TMPFILE.
  std::string path = dir + "/.scratch-XXXXXX";
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return FailWrite(errno, "cannot make a scratch file in", dir, 0);
  ::unlink(path.c_str());
  return fd;
}

Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  PJ_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
  std::string out;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read", path);
    if (n == 0) return out;
    out.append(buffer, static_cast<size_t>(n));
    if (out.size() > max_bytes) {
      return Fail(Code::kTooLarge, fmt::format("file is larger than {} bytes", max_bytes), path);
    }
  }
}

Result<std::string> ReadAt(int fd, uint64_t offset, uint64_t size, const std::string& path) {
  // A damaged length must not become an allocation.
  struct stat info{};
  if (size > kTrustedSize && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
      size > static_cast<uint64_t>(info.st_size)) {
    return Fail(Code::kCorrupt,
                fmt::format("{} bytes expected in a file of {}", size, info.st_size), path);
  }
  std::string out(size, '\0');
  uint64_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd, out.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "cannot read", path);
    if (n == 0) {
      return Fail(Code::kCorrupt,
                  fmt::format("file ends at byte {}, {} expected", offset + done, offset + size),
                  path);
    }
    done += static_cast<uint64_t>(n);
  }
  return out;
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailWrite(errno, "cannot write", path, bytes.size());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status Fdatasync(int fd, const std::string& path) {
  if (::fdatasync(fd) != 0) return FailWrite(errno, "cannot sync", path, 0);
  return {};
}

Status SyncDir(const std::string& dir) {
  PJ_ASSIGN(UniqueFd fd, OpenFile(dir, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return FailErrno(errno, "cannot sync directory", dir);
  return {};
}

Status WriteFileAtomic(const std::string& path, std::string_view bytes) {
  static std::atomic<uint64_t> counter{0};  // two threads may replace one file
  const std::string temporary = fmt::format("{}.tmp-{}-{}", path, ::getpid(), ++counter);
  {
    PJ_ASSIGN(UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC));
    Status written = WriteAll(fd.get(), bytes, temporary);
    if (written) written = Fdatasync(fd.get(), temporary);
    if (!written) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  const auto is_there = [&] {
    const Result<std::string> found = ReadFile(path, bytes.size());
    return found && *found == bytes;
  };
  if (Status renamed = RenameOnto(temporary, path, {.is_there = is_there}); !renamed) {
    ::unlink(temporary.c_str());
    return renamed;
  }
  const std::string dir = std::filesystem::path(path).parent_path().string();
  return SyncDir(dir.empty() ? "." : dir);
}

Status MakeDirs(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return FailWrite(error.value(), "cannot create directory", dir, 0);
  return {};
}

}  // namespace pj
