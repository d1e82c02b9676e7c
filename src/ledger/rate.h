// RateMeter: how long one mini-batch takes this agent, all slots together. Pure arithmetic on
// `now`.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace pj::ledger {

// Not thread-safe. Only time in which something runs counts, so waiting for work does not look
// slow.
class RateMeter {
 public:
  // To be called often; `busy` says whether something ran since the last call.
  void Advance(Nanos now, bool busy) {
    if (busy && now > last_) active_ += (now - last_).count();
    last_ = std::max(last_, now);
    if (finished_ > 0 && (active_ >= kWindow || (mean_ == 0 && active_ > 0))) Close();
  }
  void CountFinished() { ++finished_; }
  bool Known() const { return mean_ > 0; }
  // Nanoseconds per mini-batch; grows while a slow one keeps all waiting. 0 = not known.
  double Mean() const {
    if (mean_ == 0) return 0;
    return std::max(mean_, static_cast<double>(active_) / static_cast<double>(finished_ + 1));
  }

 private:
  static constexpr int64_t kWindow = 20'000'000;

  void Close() {
    const double sample = static_cast<double>(active_) / static_cast<double>(finished_);
    mean_ = mean_ == 0 ? sample : 0.5 * mean_ + 0.5 * sample;
    active_ = 0;
    finished_ = 0;
  }

  Nanos last_{0};
  int64_t active_ = 0;
  uint64_t finished_ = 0;
  double mean_ = 0;
};

}  // namespace pj::ledger
