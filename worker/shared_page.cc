#include "worker/shared_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace pj::worker {
namespace {

Nanos Load(const uint64_t& field) {
  return Nanos(static_cast<int64_t>(__atomic_load_n(&field, __ATOMIC_RELAXED)));
}

}  // namespace

Result<SharedPage> SharedPage::Create() {
  SharedPage page;
  page.fd_.Reset(::memfd_create("pj-page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!page.fd_.valid()) return FailErrno(errno, "cannot make a slot's shared page");
  if (::ftruncate(page.fd(), wire::kPageBytes) != 0) {
    return FailErrno(errno, "cannot size a slot's shared page");
  }
  // A script that shrank the page would end us with SIGBUS.
  if (::fcntl(page.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return FailErrno(errno, "cannot seal a slot's shared page");
  }
  void* memory =
      ::mmap(nullptr, wire::kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, page.fd(), 0);
  if (memory == MAP_FAILED) return FailErrno(errno, "cannot map a slot's shared page");
  page.entries_ = static_cast<wire::PageEntry*>(memory);
  return page;
}

SharedPage::SharedPage(SharedPage&& other) noexcept
    : fd_(std::move(other.fd_)), entries_(std::exchange(other.entries_, nullptr)) {}

SharedPage& SharedPage::operator=(SharedPage&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(entries_, other.entries_);
  return *this;
}

SharedPage::~SharedPage() {
  if (entries_ != nullptr) ::munmap(entries_, wire::kPageBytes);
}

uint64_t SharedPage::State(uint32_t entry) const {
  return __atomic_load_n(&entries_[entry].word, __ATOMIC_ACQUIRE);
}

Nanos SharedPage::StartedAt(uint32_t entry) const { return Load(entries_[entry].started_ns); }
Nanos SharedPage::RunAt(uint32_t entry) const { return Load(entries_[entry].run_ns); }

void SharedPage::MarkSent(uint32_t entry) {
  __atomic_store_n(&entries_[entry].word, uint64_t{wire::kSent}, __ATOMIC_RELEASE);
}

void SharedPage::MarkFree(uint32_t entry) {
  __atomic_store_n(&entries_[entry].word, uint64_t{wire::kFree}, __ATOMIC_RELEASE);
}

bool SharedPage::TryWithdraw(uint32_t entry) {
  uint64_t expected = wire::kSent;
  return __atomic_compare_exchange_n(&entries_[entry].word, &expected, uint64_t{wire::kWithdrawn},
                                     false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

}  // namespace pj::worker
