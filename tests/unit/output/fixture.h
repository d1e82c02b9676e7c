// What the tests of output share: a folder that goes away, and storage that fails when told to.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/fs.h"
#include "output/file_ops.h"
#include "output/publish.h"
#include "output/segment.h"
#include "unit/temp_dir.h"

namespace pj::output {

// For what is only prepared: durable enough for a test.
class UnsyncedFiles : public FileOps {
 public:
  int Sync(int) override { return 0; }
  int SyncDir(int) override { return 0; }
};

// Fails the Nth call that reaches storage, with the errno given; short writes on demand.
class FailingFiles : public FileOps {
 public:
  explicit FailingFiles(int fail_at = 0, int error = EIO) : fail_at_(fail_at), error_(error) {}

  int Open(const std::string& p, int flags, unsigned mode) override {
    return Fails() ? -1 : FileOps::Open(p, flags, mode);
  }
  ssize_t ReadAt(int fd, char* to, size_t size, uint64_t at) override {
    return Fails() ? -1 : FileOps::ReadAt(fd, to, size, at);
  }
  ssize_t WriteAt(int fd, const char* from, size_t size, uint64_t at) override {
    if (Fails()) {
      // Half of it may have arrived: what a full disk does.
      if (size > 1) FileOps::WriteAt(fd, from, size / 2, at);
      return -1;
    }
    return FileOps::WriteAt(fd, from, short_ && size > 1 ? (size + 1) / 2 : size, at);
  }
  ssize_t CopyRange(int from, uint64_t from_at, int to, uint64_t to_at, size_t size) override {
    if (!kernel_copies_) return errno = EXDEV, -1;
    if (Fails()) return -1;
    return FileOps::CopyRange(from, from_at, to, to_at, short_ && size > 1 ? size / 2 : size);
  }
  int Truncate(int fd, uint64_t size) override {
    return Fails() ? -1 : FileOps::Truncate(fd, size);
  }
  int Sync(int fd) override { return Fails() ? -1 : FileOps::Sync(fd); }
  int SyncDir(int fd) override { return Fails() ? -1 : FileOps::SyncDir(fd); }
  int Rename(const std::string& from, const std::string& to) override {
    return Fails() ? -1 : FileOps::Rename(from, to);
  }
  int StatVfs(const std::string& path, struct statvfs* out) override {
    if (Fails()) return -1;
    const int rc = FileOps::StatVfs(path, out);
    if (free_bytes_ >= 0) out->f_bavail = static_cast<fsblkcnt_t>(free_bytes_), out->f_frsize = 1;
    return rc;
  }

  void Arm(int fail_at, int error) { calls_ = 0, fail_at_ = fail_at, error_ = error; }
  void ShortCounts() { short_ = true; }
  void NoKernelCopies() { kernel_copies_ = false; }
  void FreeBytes(int64_t bytes) { free_bytes_ = bytes; }
  bool fired() const { return fail_at_ > 0 && calls_ >= fail_at_; }

 private:
  bool Fails() {
    if (++calls_ != fail_at_) return false;
    errno = error_;
    return true;
  }
  int calls_ = 0;
  int fail_at_;
  int error_;
  bool short_ = false;
  bool kernel_copies_ = true;
  int64_t free_bytes_ = -1;
};

inline AttemptRecord Attempt(uint64_t mini_batch, uint32_t attempt = 1, uint64_t rows = 1) {
  AttemptRecord r;
  r.mini_batch = mini_batch;
  r.attempt = attempt;
  r.terminal = true;
  r.node = "instance-0";
  r.address = "127.0.0.1";
  r.process = static_cast<uint32_t>(mini_batch % 3);
  r.start_wall_ns = 1'700'000'000'000'000'000 + static_cast<int64_t>(mini_batch) * 1000;
  r.elapsed_ns = 12'345;
  r.process_ns = 345;
  r.run_ns = 300;
  r.items_total = 5;
  r.items_ok = 5;
  r.rows = rows;
  r.detail = "file " + std::to_string(mini_batch);
  r.log = "user/stdout/instance-0/process00" + std::to_string(r.process) + ".stdout.txt";
  return r;
}

inline bool Same(const AttemptRecord& a, const AttemptRecord& b) {
  return a.mini_batch == b.mini_batch && a.attempt == b.attempt && a.status == b.status &&
         a.terminal == b.terminal && a.node == b.node && a.address == b.address &&
         a.process == b.process && a.start_wall_ns == b.start_wall_ns &&
         a.elapsed_ns == b.elapsed_ns && a.process_ns == b.process_ns && a.run_ns == b.run_ns &&
         a.items_total == b.items_total && a.items_ok == b.items_ok &&
         a.items_failed == b.items_failed && a.rows == b.rows && a.category == b.category &&
         a.message == b.message && a.traceback == b.traceback && a.detail == b.detail &&
         a.log == b.log;
}

inline std::string RowsOf(uint64_t mini_batch) {
  return "row " + std::to_string(mini_batch) + "\n";
}

inline std::vector<AttemptRecord> AllAttempts(const std::string& dir,
                                              const ledger::OutputMark& mark) {
  std::vector<AttemptRecord> all;
  const Status read = ReadAttempts(dir, mark, [&](const AttemptRecord& r) { all.push_back(r); });
  EXPECT_TRUE(read) << read.error().ToString();
  return all;
}

// Changes one byte of a file; a second time changes it back.
inline void FlipByte(const std::string& path, size_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  ASSERT_TRUE(file.good()) << path << " has no byte " << at;
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x41));
}

}  // namespace pj::output
