// The programs of a worker pod that hold the API token: the agent, and the finaliser.
#pragma once

namespace pj::worker {

// `paralleljob-worker agent`, one incarnation: settings from the environment, the API by the pod's
// account, slots in the user container. SIGTERM drains. Call it before any thread exists; returns
// the exit code. `own_slots`: the slots are children of this process instead, as in a local run
// (the script could then read the token: for tests without a user container).
int AgentMain(bool own_slots);

// `paralleljob-worker finalise`: ends a job of which no agent lives.
int FinaliseMain();

}  // namespace pj::worker
