// ClusterScenario: what a seed decides of a cluster: the job, and what goes wrong around it.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "tests/sim/workload.h"

namespace pj::sim {

struct ClusterScenario {
  uint64_t seed = 0;
  Workload work;
  int operators = 1;
  enum class Poison { kNone, kInvalidSpec, kDamagedLedger };
  Poison poison = Poison::kNone;  // a second job that nobody can run
  double fault = 0;               // chance that a request meets a fault, in the chaos phase
  double agent_crash = 0;         // chance of a crash at each of an agent's requests
  double operator_crash = 0;      // chance of a crash before or after each of its writes
  double operator_pause = 0;      // chance that one hangs at a write, beyond its lead
  double dead_watch = 0;          // chance at each look that an operator's watch has gone dead
  Nanos longest_lag{0};           // of a watch event on its way to an operator
  Nanos chaos{0};                 // length of the first phase
  // What happens to the job in that phase, each with the mean time from one to the next; 0: never.
  Nanos suspends{0};
  Nanos scales{0};
  Nanos recreates{0};
  Nanos pod_kills{0};
  Nanos node_losses{0};
  Nanos freezes{0};  // of agents, beyond their leases
  Nanos operator_kills{0};
  Nanos compactions{0};
  Nanos hand_deletes{0};  // of the job's Job
};
ClusterScenario DrawCluster(uint64_t seed);
// The same with operators that often hang while the user changes the job, and little else going
// wrong: what an operator decided before it hung, another one has decided anew.
ClusterScenario DrawHangs(uint64_t seed);
// The end of a job without mishaps: one worker has started all that is left, in calls as long as a
// tick or longer; the others are idle and look at it for as long as it works.
ClusterScenario DrawTail(uint64_t seed);

}  // namespace pj::sim
