// Supervise: PID 1 of the agent's container. Starts the agent again, as a new incarnation, whenever
// it dies, long before the kubelet would.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"

namespace pj::worker {

struct SuperviseOptions {
  std::vector<std::string> argv;  // argv[0] is the program's path
  // An agent that dies younger than this is started again after a pause: none after the first such
  // death, then `first_pause`, doubled each time up to `longest_pause`.
  Nanos young{Seconds(10)};
  Nanos first_pause{Millis(100)};
  Nanos longest_pause{Seconds(5)};
};

// Runs until the agent ends with 0 or job::kExitGone, and returns that. SIGTERM and SIGINT are
// passed on, and the agent's end is then the end: its code, or 128 + n when signal n ended it.
// Reaps what becomes an orphan. Blocks signals for good: call it before any thread exists.
int Supervise(const SuperviseOptions& options);

}  // namespace pj::worker
