// Backoff: exponential waiting times with full jitter, as client-go's watches use them.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "base/rng.h"

namespace pj {

// Not thread-safe. Next() is uniform in (0, min(cap, first × 2ⁿ)].
class Backoff {
 public:
  Backoff(Nanos first, Nanos cap, uint64_t seed)
      : first_(std::clamp(first, Nanos(1), std::max(cap, Nanos(1)))),
        cap_(std::max(cap, Nanos(1))),
        bound_(first_),
        rng_(seed) {}

  Nanos Next() {
    const auto bound = static_cast<uint64_t>(bound_.count());
    bound_ = bound_ > cap_ / 2 ? cap_ : bound_ * 2;  // never beyond the cap: no overflow
    return Nanos(static_cast<int64_t>(rng_.Below(bound)) + 1);
  }
  void Reset() { bound_ = first_; }

 private:
  Nanos first_;
  Nanos cap_;
  Nanos bound_;  // of the next wait
  Rng rng_;
};

}  // namespace pj
