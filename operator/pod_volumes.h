// PodVolumes: a worker pod's volumes, and where each container mounts them.
#pragma once

#include <string>

#include "job/job_objects.h"
#include "operator/views.h"

namespace pj::op {

// Lists of Kubernetes volumes and volumeMounts, as JSON texts.
struct PodVolumes {
  std::string volumes;
  std::string install_mounts;
  std::string user_mounts;
  std::string agent_mounts;
};

// Data and code are mounted by the folder that the job names, never a whole volume: a script sees
// nothing of other jobs.
PodVolumes VolumesOf(const ParallelJobView& job);

}  // namespace pj::op
