// The slot host: PID 1 of the user's container. It is the guardian of whichever agent is connected,
// one at a time, and ends when nobody comes any more.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "job/pod_contract.h"

namespace pj::worker {

struct SlotHostOptions {
  std::string socket = job::kHostSocket;
  Nanos grace{Seconds(job::kGraceSeconds)};  // for a new agent after one went; the first is awaited
  Nanos stop_grace{Seconds(job::kGraceSeconds)};  // from SIGTERM to the end while an agent is there
};

// When an agent's connection closes, everything below is killed before the next one is heard. A new
// agent takes the place of the old one, which its supervisor found dead. What runs below us is
// refused. Returns when it is over; an error if it cannot listen. Blocks signals for good.
Status RunSlotHost(const SlotHostOptions& options);

}  // namespace pj::worker
