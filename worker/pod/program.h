// The programs of a worker pod that hold the API token: the agent, and the finaliser.
#pragma once

#include <functional>
#include <string>

namespace pj::worker {

// `paralleljob-worker agent`, one incarnation: settings from the environment, the API by the pod's
// account, slots in the user container. SIGTERM drains. Call it before any thread exists; returns
// the exit code.
int AgentMain();

// `paralleljob-worker finalise`: ends a job of which no agent lives.
int FinaliseMain();

// How the pod's programs log, told by the environment (job/pod_contract.h). Where it names no
// level, the job's own counts: `manifest` is its file, empty for programs that have none.
void InitPodLog(const std::function<std::string(const char*)>& lookup, const std::string& manifest);

}  // namespace pj::worker
