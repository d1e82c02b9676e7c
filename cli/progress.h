// ProgressLine: how far a run is, as one redrawn line on a terminal, as a line now and then
// elsewhere.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace pj::cli {

// Of all starts of the run; the slots are those of now.
struct ProgressNow {
  uint64_t done = 0;
  uint64_t total = 0;
  uint64_t failed = 0;
  uint64_t retries = 0;
  uint32_t slots_busy = 0;
  uint32_t slots = 0;
};

// Not thread-safe. Writes to stderr, so that stdout stays for results.
class ProgressLine {
 public:
  ProgressLine(bool enabled, uint64_t done_at_start, Nanos start);
  // Draws if it is time to (10 times a second on a terminal, every 10 s without one).
  void Show(const ProgressNow& now, Nanos time);
  // The last state, and the end of the line.
  void End(const ProgressNow& now, Nanos time);
  // "137/200 mini-batches · 45.1/s · ETA 1.4 s · 2 failed · 3 retries · 4/4 slots busy"
  std::string Text(const ProgressNow& now, Nanos time) const;

 private:
  void Draw(const std::string& text, bool last);
  bool enabled_;
  bool terminal_;
  uint64_t done_at_start_;
  Nanos start_;
  Nanos next_{0};
};

}  // namespace pj::cli
