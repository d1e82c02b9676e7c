// What of a job's settings the verdict needs; the operator and the local controller share it.
#pragma once

#include "api/parallel_job.h"
#include "policy/verdict.h"

namespace pj::job {

policy::Thresholds ThresholdsOf(const api::ParallelJobSpec& spec);

}  // namespace pj::job
