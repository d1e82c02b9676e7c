// LostWorkers: pods whose node is gone. Kubernetes keeps them Terminating and replaces them only
// when somebody says that they are over.
#pragma once

#include "operator/turn.h"

namespace pj::op {

// Notes each Lease's changes by our own clock.
void WatchLeases(Turn* turn);

// Marks as failed (DisruptionTarget) each pod whose grace and 30 s more have passed and whose
// Lease has not changed for three ticks. Returns how many.
Result<int> ReplaceLostWorkers(Turn* turn);

}  // namespace pj::op
