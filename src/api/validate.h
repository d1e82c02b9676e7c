// The validator: the one set of rules behind both front doors.
#pragma once

#include <string>
#include <vector>

#include "api/load.h"
#include "api/parallel_job.h"
#include "api/places.h"
#include "base/diagnostics.h"

namespace pj::api {

// What a front door calls last, once for each job: takes the runtime flags out of programArguments
// into `job`, then checks everything; all findings go to `out`. Relative paths count from the
// base_dir of what names them.
void FinishJob(const Places& places, const LoadOptions& options, ParallelJob* job,
               Diagnostics* out);

// The paths of fields that are set and that only a cluster knows: `run` prints one note for each.
std::vector<std::string> ClusterOnlyFields(const ParallelJob& job);

// What keeps a valid job from running on this machine: no instance, code or data that is not here.
void CheckRunsHere(const LoadedJob& loaded, Diagnostics* out);

// What keeps a valid job from running in a cluster: code or data of one machine only, no image.
void CheckRunsInCluster(const ParallelJob& job, Diagnostics* out);

}  // namespace pj::api
