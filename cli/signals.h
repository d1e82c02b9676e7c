// StopSignals: SIGINT, SIGTERM and SIGHUP as events that the main thread waits for.
#pragma once

#include "base/clock.h"
#include "base/fs.h"

namespace pj::cli {

// Blocks the signals for this thread and all that it starts later; one object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  // The signal that arrived within `wait`, or 0. `wake_fd` ends the wait early (made readable by
  // another thread). SIGHUP comes once: of a lost terminal both the shell and the kernel tell.
  int Wait(Millis wait, int wake_fd);

 private:
  UniqueFd fd_;
};

}  // namespace pj::cli
