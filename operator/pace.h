// Pace: a rate that many share. Whoever comes too soon gets a moment of his own, so that nobody has
// to try again and again.
#pragma once

#include <mutex>

#include "base/clock.h"

namespace pj::op {

// Thread-safe.
class Pace {
 public:
  // `rate` a second; of one second's worth, all may come at once.
  explicit Pace(double rate);

  // The moment from which the caller may act once: `now`, or a later one that is nobody else's.
  // First come, first served. Not to act costs the others that moment, nothing else.
  Nanos Reserve(Nanos now);

 private:
  const Nanos step_;
  const Nanos burst_;
  std::mutex mutex_;
  Nanos next_;  // what the next one gets, if he does not come later than that
};

}  // namespace pj::op
