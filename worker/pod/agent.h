// PodAgent: one incarnation of a worker pod's agent, from reading its job to reading its `result`:
// plans or waits for the plan, works, finalises, and obeys the control object meanwhile.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "kube/api.h"
#include "worker/guardian.h"
#include "worker/pod/config.h"

namespace pj::worker {

// Where the slots run: the user container's side of a pod.
struct SlotPlace {
  Guardian* guardian = nullptr;
  std::string python;                      // as that side finds it
  std::string runtime_dir;                 // holds the package `paralleljob`
  std::string scratch_dir;                 // of that side; the copies of the code are made there
  std::map<std::string, std::string> env;  // that side's own, or what is put on top of it
  uint32_t cores = 1;
  bool threads_set = false;  // env or that side's own has OMP_NUM_THREADS
};

struct PodAgentOptions {
  PodConfig config;
  PodFolders folders;
  SlotPlace slots;
  kube::Api* api = nullptr;                  // thread-safe
  Nanos overview_interval{Seconds(5)};       // of the overview that ordinal 0 writes
  Nanos grace{Seconds(job::kGraceSeconds)};  // from Stop() to killing what still runs
};

// Run() once, on the thread that made it; Stop() from any.
class PodAgent {
 public:
  static std::unique_ptr<PodAgent> Create(PodAgentOptions options);
  virtual ~PodAgent() = default;
  // The process's exit code: 0 after `result` was read, job::kExitGone when this pod is no longer
  // wanted. An error: this incarnation cannot go on, another may.
  virtual Result<int> Run() = 0;
  // SIGTERM: running calls finish and are committed, then Run() returns.
  virtual void Stop() = 0;
};

}  // namespace pj::worker
