// The programs of a worker pod that hold the API token: the agent, and the finaliser.
#pragma once

#include <functional>
#include <memory>

#include "worker/slot_place.h"

namespace pj::worker {

// `paralleljob-worker agent`, one incarnation: settings from the environment, the API by the pod's
// account, slots where `slots` says. SIGTERM drains. Call it before any thread exists; returns the
// exit code.
using FindSlots = std::function<Result<std::unique_ptr<SlotSide>>(const PodFolders&)>;
int AgentMain(const FindSlots& slots);

// `paralleljob-worker finalise`: ends a job of which no agent lives.
int FinaliseMain();

}  // namespace pj::worker
