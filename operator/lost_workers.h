// LostWorkers: pods whose node is gone. Kubernetes keeps them Terminating until the node is back,
// and replaces them only when somebody says that they are over.
#pragma once

#include "operator/turn.h"

namespace pj::op {

// Notes each Lease's changes by our own clock.
void WatchLeases(Turn* turn);

// A pod runs, and for the lease time (three ticks) nothing was heard of its agent. Asks for a turn
// when the next one would be.
bool AnyWorkerIsSilent(Turn* turn);

// Marks as failed (DisruptionTarget) each pod whose grace and 30 s more have passed and whose
// Lease has not changed for three ticks, and in a later turn removes it. Returns how many were
// marked. What still runs there can commit nothing: its shards get other owners and newer epochs.
Result<int> ReplaceLostWorkers(Turn* turn);

// Pods of runs that are gone, the ledger with them: removes those that are to go and whose node is
// lost, or whose grace has passed; one that does not go gets less. Returns when to look again.
Result<Nanos> ReleaseLeftovers(const std::vector<WorkerPodView>& pods, Writer* writer,
                               const Clock& clock);

}  // namespace pj::op
