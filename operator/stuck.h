// Stuck: why a job's pods are not there, do not start, or fail again and again.
#pragma once

#include <string>

#include "operator/turn.h"

namespace pj::op {

// What the API server refuses to the Job controller (quota, a missing ServiceAccount or
// PriorityClass, Pod Security, a webhook) and what keeps a kubelet from mounting a volume stands
// only in Events. Asks for those of one Job or one pod, into turn->memory.stuck: only when it has
// been stuck for a while, then ever more seldom, and at the pace of all jobs together.
void LookForCauses(Turn* turn);

// Why the pods do not get on, as "reason" and "message"; empty when they do.
struct PodTrouble {
  std::string reason;
  std::string message;
};
PodTrouble TroubleOf(const Turn& turn);

}  // namespace pj::op
