// Files: owned descriptors, whole-file reads, atomic replacement. Every error names the path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace pj {

// Owns a file descriptor. Movable, not copyable; closes on destruction.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The file system that holds `path` (which need not exist yet), told for a write that did not fit:
// "the file system /data has 512 bytes free, at least 4096 are needed". `needed` 0 = unknown.
std::string DescribeSpace(const std::string& path, uint64_t needed);
// FailErrno for a write of `needed` bytes to `path`: a full disk comes with DescribeSpace and the
// way out.
std::unexpected<Error> FailWrite(int err, const std::string& what, const std::string& path,
                                 uint64_t needed);
// The directory on which the file system of `path` is mounted.
std::string MountPointOf(const std::string& path);

// open(2) with O_CLOEXEC.
Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode = 0644);
// An unnamed file in `dir`, to write and read; it is gone when it is closed.
Result<UniqueFd> OpenScratchFile(const std::string& dir);
// The whole file; kTooLarge over `max_bytes`.
Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes = 1ULL << 30);
// Exactly `size` bytes at `offset`; a shorter file is kCorrupt.
Result<std::string> ReadAt(int fd, uint64_t offset, uint64_t size, const std::string& path);
// All of `bytes`, repeating short writes and EINTR.
Status WriteAll(int fd, std::string_view bytes, const std::string& path);
Status Fdatasync(int fd, const std::string& path);
// fsync of a directory, so that creates and renames in it survive.
Status SyncDir(const std::string& dir);
// Writes a temporary file beside `path`, fsyncs it, renames it over `path`, fsyncs the directory.
Status WriteFileAtomic(const std::string& path, std::string_view bytes);
// mkdir -p.
Status MakeDirs(const std::string& dir);

}  // namespace pj
