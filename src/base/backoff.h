// Backoff: exponential waiting times with full jitter, as client-go's watches use them.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "base/rng.h"

namespace pj {

// Not thread-safe. Next() is uniform in (0, min(cap, first × 2ⁿ)].
class Backoff {
 public:
  Backoff(Nanos first, Nanos cap, uint64_t seed) : first_(first), cap_(cap), rng_(seed) {}

  Nanos Next() {
    const Nanos bound = std::min(cap_, first_ * (int64_t{1} << std::min(failures_, 30)));
    ++failures_;
    return Nanos(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(bound.count()))) + 1);
  }
  void Reset() { failures_ = 0; }

 private:
  Nanos first_;
  Nanos cap_;
  Rng rng_;
  int failures_ = 0;
};

}  // namespace pj
