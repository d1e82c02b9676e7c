// Lag: how long changed jobs wait for their turn.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace pj::op {

// Thread-safe. Times are monotonic.
class Lag {
 public:
  // A change of that job; of several before its turn the first counts.
  void Changed(const std::string& job, Nanos now);
  // Turns begin now: what came before, to an operator that did not lead, was not its to answer.
  void Begin(Nanos now);
  // The job's turn begins. From its first change to now; nothing for a turn that only the clock
  // asked for.
  Nanos Ended(const std::string& job, Nanos now);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, Nanos> since_;  // jobs that wait
};

}  // namespace pj::op
