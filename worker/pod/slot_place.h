// SlotSide: where an agent's slots run, kept alive: the user container of its pod, or this
// process's own children.
#pragma once

#include <signal.h>

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

// As in a local run: Python is python3 of PATH, or PARALLELJOB_PYTHON; the runtime lies in
// PARALLELJOB_RUNTIME. Forks: call it before any thread exists.
Result<std::unique_ptr<SlotSide>> OwnSlots(const PodFolders& folders);

// In the user's container, below its slot host, with python3 of that container's PATH. Waits for
// the host; kCancelled when one of `stop`, which are blocked, comes meanwhile.
Result<std::unique_ptr<SlotSide>> HostSlots(const PodFolders& folders, const sigset_t& stop);

}  // namespace pj::worker
