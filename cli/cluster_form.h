// ClusterForm: a job of this machine as pods can run it: local code and inputs become ConfigMaps.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "base/diagnostics.h"
#include "base/result.h"
#include "kube/objects.h"

namespace pj::cli {

struct ClusterFormOptions {
  std::string file;                            // the job file, for relative paths
  std::map<std::string, std::string> outputs;  // --output NAME=pvc:CLAIM/path
  std::vector<std::string> exclude;            // never packed
};

struct ClusterForm {
  api::ParallelJob job;
  std::vector<kube::ConfigMap> maps;
  // Files that only `kubectl apply --server-side` takes.
  std::vector<std::string> oversized;
};

// What does not fit, and what the job still lacks for a cluster (an image, volumes), are findings;
// the form is meaningful only without errors.
ClusterForm ToClusterForm(api::ParallelJob job, const ClusterFormOptions& options,
                          Diagnostics* out);

}  // namespace pj::cli
