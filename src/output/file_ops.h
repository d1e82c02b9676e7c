// FileOps: the system calls by which output reaches storage, so that a test can make any one of
// them fail.
#pragma once

#include <sys/statvfs.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fs.h"
#include "base/result.h"

namespace pj::output {

// Each member is its system call: −1 and errno on failure, short counts allowed. Stateless and
// thread-safe as it stands; a test derives from it. Must outlive whatever was given it.
class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual int Open(const std::string& path, int flags, unsigned mode);
  virtual ssize_t ReadAt(int fd, char* to, size_t size, uint64_t at);
  virtual ssize_t WriteAt(int fd, const char* from, size_t size, uint64_t at);
  // copy_file_range(2) with explicit offsets.
  virtual ssize_t CopyRange(int from, uint64_t from_at, int to, uint64_t to_at, size_t size);
  virtual int Truncate(int fd, uint64_t size);
  virtual int Sync(int fd);     // fdatasync
  virtual int SyncDir(int fd);  // fsync of a directory
  virtual int Rename(const std::string& from, const std::string& to);
  virtual int StatVfs(const std::string& path, struct statvfs* out);

  // A committed file is missing or short at the Nth look (from 1). On a disk of one's own it will
  // not come any more; see shared_volume.h.
  enum class Late { kAgain, kNever, kStopped };
  virtual Late WaitFor(const std::string& /*path*/, int /*looks*/) { return Late::kNever; }

  static FileOps& Real();
};

// The same with errors that name the path; short reads and writes and EINTR are repeated.
Result<UniqueFd> OpenPath(FileOps& files, const std::string& path, int flags);
Status WriteAllAt(FileOps& files, int fd, std::string_view bytes, uint64_t at,
                  const std::string& path);
// Exactly as many bytes as there is room; a file that ends before is kCorrupt ("LedgerCorrupt: …").
Status ReadAllAt(FileOps& files, int fd, std::span<char> to, uint64_t at, const std::string& path);
Status SyncFile(FileOps& files, int fd, const std::string& path);
Status SyncDirectory(FileOps& files, const std::string& dir);
Result<uint64_t> FileSize(int fd, const std::string& path);

// What damage is told with: kCorrupt, "LedgerCorrupt: <message>".
std::unexpected<Error> Corrupt(const std::string& message, const std::string& where);

}  // namespace pj::output
