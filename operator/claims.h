// Claims: whether the volumes of a job's pods allow pods on more than one node.
#pragma once

#include <string>
#include <vector>

#include "operator/turn.h"

namespace pj::op {

// The PersistentVolumeClaims that the job's pods mount, each once.
std::vector<std::string> ClaimsOf(const ParallelJobView& job);

// Asks for the job's claims, once, into turn->memory.claims; again as long as one is missing.
Status LookAtClaims(Turn* turn);

}  // namespace pj::op
