// Finalising: a job whose end is decided gets its `result`, whether or not an agent lives
// (protocol rule 10).
#pragma once

#include "operator/decision.h"
#include "operator/turn.h"

namespace pj::op {

// Living agents seal and publish by themselves. Where none does, starts a finaliser pod; a job that
// never had a plan has nothing to seal: its result is written here.
Status EnsureResult(Turn* turn, const Decision& decision);

// After ttlSecondsAfterFinished: deletes the children, never the ParallelJob itself.
Status ExpireChildren(Turn* turn);

}  // namespace pj::op
