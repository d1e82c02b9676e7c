#include "tests/sim/timeline.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"

namespace pj::sim {

void Timeline::After(Nanos delay, std::function<void()> action) {
  events_.emplace(std::pair(Now() + delay, ++sequence_), std::move(action));
}

bool Timeline::RunNext(Nanos until) {
  if (events_.empty() || events_.begin()->first.first > until) return false;
  const auto first = events_.begin();
  // An event within an event may have moved the clock beyond this one's time: it comes late.
  clock_.Set(std::max(Now(), first->first.first));
  const auto action = std::move(first->second);
  events_.erase(first);
  action();
  return true;
}

void Timeline::RunUntil(Nanos until) {
  while (RunNext(until)) {
  }
  clock_.Set(std::max(Now(), until));
}

Nanos Timeline::Below(Nanos bound) {
  return Nanos(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(bound.count()) + 1)));
}

void Timeline::Trace(const std::string& line) {
  const std::string stamped = fmt::format("{:>12} {}\n", Now().count() / 1000, line);
  trace_ = Crc32c(stamped, trace_);
  if (verbose_) fmt::print("{}", stamped);
}

}  // namespace pj::sim
