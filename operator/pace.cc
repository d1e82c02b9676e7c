#include "operator/pace.h"

#include <algorithm>

namespace pj::op {

Pace::Pace(double rate)
    : step_(static_cast<int64_t>(1e9 / rate)),
      burst_(std::max(Nanos(0), Nanos(Seconds(1)) - step_)),
      next_(Nanos::min()) {}

Nanos Pace::Reserve(Nanos now) {
  const std::lock_guard lock(mutex_);
  next_ = std::max(next_, now - burst_);
  const Nanos mine = std::max(next_, now);
  next_ += step_;
  return mine;
}

}  // namespace pj::op
