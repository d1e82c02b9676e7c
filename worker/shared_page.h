// SharedPage: the memory that agent and slot share; each entry says how far one mini-batch has
// come.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/fs.h"
#include "base/result.h"
#include "worker/wire.h"

namespace pj::worker {

// A user's script can scribble on the page: what is read is a hint about that slot only, never an
// index or a length. Not thread-safe on our side.
class SharedPage {
 public:
  static Result<SharedPage> Create();
  SharedPage() = default;
  SharedPage(SharedPage&& other) noexcept;
  SharedPage& operator=(SharedPage&& other) noexcept;
  ~SharedPage();

  int fd() const { return fd_.get(); }
  uint64_t State(uint32_t entry) const;
  Nanos StartedAt(uint32_t entry) const;
  Nanos RunAt(uint32_t entry) const;
  void MarkSent(uint32_t entry);
  void MarkFree(uint32_t entry);
  // True: the slot will skip it. False: it was quicker.
  bool TryWithdraw(uint32_t entry);

 private:
  UniqueFd fd_;
  wire::PageEntry* entries_ = nullptr;
};

}  // namespace pj::worker
