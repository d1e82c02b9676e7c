// Kueue: a job that a queue of Kueue owns takes no quota while it is suspended. Kueue decides by
// its own Workload, one of each Job, whether the Job has pods: `spec.active` is where it is told.
#pragma once

#include "operator/decision.h"
#include "operator/turn.h"

namespace pj::op {

// A queue owns the job and has not let it begin, or has taken its pods away: its time does not run.
bool HeldByQueue(const Turn& turn);

// Makes the Workload inactive once a suspended job has drained, and active again when it goes on,
// if it was us who had stopped it. Asks only when the Job is not as it should be. That Kueue could
// not be told stops nothing: an Event and a condition say so.
void TellQueue(Turn* turn, const Decision& decision);

}  // namespace pj::op
