// SlotSide: where an agent's slots run, kept alive: the user container of its pod.
#pragma once

#include <signal.h>

#include <functional>
#include <memory>

#include "base/result.h"
#include "worker/guardian.h"
#include "worker/pod/agent.h"
#include "worker/pod/config.h"

namespace pj::worker {

struct SlotSide {
  std::unique_ptr<Guardian> guardian;
  SlotPlace place;
};

// In the user's container, below its slot host, with python3 of that container's PATH. Waits for
// the host: kCancelled when one of `stop`, which are blocked, comes meanwhile; null once `over`,
// asked every few seconds, says that there is nothing to do any more.
Result<std::unique_ptr<SlotSide>> HostSlots(const PodFolders& folders, const sigset_t& stop,
                                            const std::function<bool()>& over);

}  // namespace pj::worker
