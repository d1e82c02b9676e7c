// The page shared with the agent (worker/wire.h) and the guard that tells a forked child from its
// parent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "worker/wire.h"

namespace pj::slot {

// Maps a slot's page. One thread.
class SharedPage {
 public:
  // Check ok() before use. The descriptor stays the caller's.
  explicit SharedPage(int fd);
  ~SharedPage();
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;

  bool ok() const { return entries_ != nullptr; }
  // kSent → kLoading by compare-and-swap; false: the agent withdrew it.
  bool Start(size_t entry, uint64_t now_ns);
  void SetRunning(size_t entry, uint64_t now_ns);
  void SetEnded(size_t entry, uint64_t now_ns);

 private:
  worker::wire::PageEntry* entries_ = nullptr;
};

// A page that the kernel wipes in every forked child: no system call per question.
class ForkGuard {
 public:
  ForkGuard();
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  bool IsParent() const;

 private:
  volatile uint64_t* word_ = nullptr;  // null: the kernel cannot wipe; the pid is asked instead
  int pid_;
};

}  // namespace pj::slot
