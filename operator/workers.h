// Workers: the job's Indexed Job: created, started again when it ended too early, scaled,
// suspended.
#pragma once

#include "operator/decision.h"
#include "operator/turn.h"

namespace pj::op {

// Makes permissions, manifest and Job exist, and the Job have the number of pods that the
// ParallelJob asks for. A Job that is over, or gone, without a `result` is created again as the
// next generation; with a `result`, never.
Status EnsureWorkers(Turn* turn, const Decision& decision);

// Of that only what comes first: the account and the Job.
Status EnsureFirstThings(Turn* turn, const Decision& decision);

// The workers' Job of the highest generation, which is told as well; null if there is none.
const WorkerJobView* CurrentJob(const JobWorld& world, int* generation);

// Every agent has committed and released what it held, or had its time to.
bool Drained(const Turn& turn);

// Some pod of the job lives and is not on its way out.
bool AnyWorkerLives(const JobWorld& world);

// Stops the pods that are left a while after `result` stands: hanging ones, and those that never
// found a node.
Status StopStragglers(Turn* turn);

}  // namespace pj::op
