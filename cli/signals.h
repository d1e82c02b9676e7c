// StopSignals: SIGINT, SIGTERM and SIGHUP as events that the main thread waits for. LastWords: what
// they mean outside of such a wait.
#pragma once

#include <string>

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

// What is said when one of them ends the program while there is nothing to drain: before agents
// run, and while results are put together. The exit code is kExitInterrupted; a program that
// RunProcess waits for ends, too. One object at a time.
class LastWords {
 public:
  LastWords();  // a signal that is ignored (nohup) stays so
  ~LastWords();
  // From now on: `err` for people, `out` the object of -o json. Not thread-safe.
  static void Say(std::string err, std::string out);
};

}  // namespace pj::cli
