#include "shared_page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace pj::slot {
namespace {
constexpr size_t kGuardBytes = 4096;
constexpr uint64_t kAlive = 1;
namespace wire = worker::wire;

void Publish(uint64_t* word, uint64_t state) {
  std::atomic_ref<uint64_t>(*word).store(state, std::memory_order_release);
}
}  // namespace

SharedPage::SharedPage(int fd) {
  void* mapped = mmap(nullptr, wire::kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) entries_ = static_cast<wire::PageEntry*>(mapped);
}

SharedPage::~SharedPage() {
  if (entries_ != nullptr) munmap(entries_, wire::kPageBytes);
}

bool SharedPage::Start(size_t entry, uint64_t now_ns) {
  wire::PageEntry& page = entries_[entry];
  std::atomic_ref<uint64_t> word(page.word);
  if (word.load(std::memory_order_acquire) != wire::kSent) return false;
  page.started_ns = now_ns;
  uint64_t expected = wire::kSent;
  return word.compare_exchange_strong(expected, wire::kLoading, std::memory_order_acq_rel);
}

void SharedPage::SetRunning(size_t entry, uint64_t now_ns) {
  entries_[entry].run_ns = now_ns;
  Publish(&entries_[entry].word, wire::kRunning);
}

void SharedPage::SetEnded(size_t entry, uint64_t now_ns) {
  entries_[entry].end_ns = now_ns;
  Publish(&entries_[entry].word, wire::kEnded);
}

ForkGuard::ForkGuard() : pid_(getpid()) {
  void* mapped =
      mmap(nullptr, kGuardBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return;
  if (madvise(mapped, kGuardBytes, MADV_WIPEONFORK) != 0) {
    munmap(mapped, kGuardBytes);
    return;
  }
  word_ = static_cast<volatile uint64_t*>(mapped);
  *word_ = kAlive;
}

ForkGuard::~ForkGuard() {
  if (word_ != nullptr) munmap(const_cast<uint64_t*>(word_), kGuardBytes);
}

bool ForkGuard::IsParent() const { return word_ != nullptr ? *word_ == kAlive : getpid() == pid_; }

}  // namespace pj::slot
