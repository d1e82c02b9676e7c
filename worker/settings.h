// Settings: what of a job's own settings an agent runs by; the same on one machine and in a pod.
#pragma once

#include "api/parallel_job.h"
#include "base/log.h"
#include "job/resolved_job.h"
#include "worker/agent.h"

namespace pj::worker {

// Retries, timeouts, and the slots' job with the variables that entry scripts may read. The
// caller has set job.env, job.node, job.logs_dir and `plan` before; `threads`: how many a
// numerical library may start in one slot; 0: the slots' own environment says it.
void TakeSettings(const api::ParallelJob& job, const job::ResolvedJob& resolved, uint32_t threads,
                  AgentOptions* options);

// From where on our own logs tell of a job with this level.
log::Level OwnLevel(api::LoggingLevel level);

}  // namespace pj::worker
