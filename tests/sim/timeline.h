// Timeline: virtual time of one seed: events in order, a clock that they move, chance, and the
// trace of everything that happened.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/rng.h"

namespace pj::sim {

// Not thread-safe. Events at one time run in the order in which they were asked for.
class Timeline {
 public:
  Timeline(uint64_t seed, bool verbose) : verbose_(verbose), rng_(seed) {}

  void After(Nanos delay, std::function<void()> action);
  // Runs the first event, if there is one not later than `until`; then the clock shows its time.
  bool RunNext(Nanos until);
  // Runs all events up to `until`, and leaves the clock there. May be called from within an event:
  // that is how a request takes time in which others act.
  void RunUntil(Nanos until);
  bool Empty() const { return events_.empty(); }
  Nanos NextAt() const { return events_.begin()->first.first; }

  Nanos Now() const { return clock_.Monotonic(); }
  const Clock& clock() const { return clock_; }
  Nanos Below(Nanos bound);
  uint64_t Pick(uint64_t bound) { return rng_.Below(bound); }
  bool Chance(double probability) { return rng_.Unit() < probability; }
  uint64_t Seed() { return rng_.Next(); }
  uint64_t Number() { return ++sequence_; }  // never the same twice

  void Trace(const std::string& line);
  uint32_t trace() const { return trace_; }

 private:
  bool verbose_;
  Rng rng_;
  ManualClock clock_;
  std::map<std::pair<Nanos, uint64_t>, std::function<void()>> events_;
  uint64_t sequence_ = 0;
  uint32_t trace_ = 0;
};

}  // namespace pj::sim
