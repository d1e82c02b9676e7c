// LostWorkers: pods whose node is gone. Kubernetes keeps them Terminating until the node is back,
// and replaces them only when somebody says that they are over.
#pragma once

#include <vector>

#include "operator/turn.h"

namespace pj::op {

// Notes each worker's signs of life by our own clock: changes of its Lease and, as whoever commits
// does not renew that, of its shards. Of whoever finalises: of the Lease.
void WatchLeases(Turn* turn);

// The lease time (three ticks) has passed without a sign of life of the Lease's worker.
bool IsSilent(const Turn& turn, const WorkerLeaseView& lease);

// A pod runs, and for the lease time nothing was heard of its agent. Asks for a turn
// when the next one would be.
bool AnyWorkerIsSilent(Turn* turn);

// Marks as failed (DisruptionTarget) each pod whose grace and 30 s more have passed and whose agent
// is silent, and in a later turn removes it. Returns those that were marked. What still runs there
// can commit nothing: its shards get other owners and newer epochs.
Result<std::vector<const WorkerPodView*>> ReplaceLostWorkers(Turn* turn);

// Pods of runs that are gone, the ledger with them: removes those that are to go and whose node is
// lost, or whose grace has passed; one that does not go gets less. Returns when to look again.
Result<Nanos> ReleaseLeftovers(const std::vector<WorkerPodView>& pods, Writer* writer,
                               const Clock& clock);

}  // namespace pj::op
