// SelfCheck: whether the operator's account can do its work on this cluster: `--check`, which
// `helm test` runs.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kube/api.h"

namespace pj::op {

struct SelfCheckOptions {
  std::string watch_namespace = {};  // empty: all namespaces
  bool leader_elect = false;         // then somebody must lead
  std::string lease_namespace = "default";
  bool kueue = false;  // as OperatorOptions
};

struct Finding {
  bool good = false;
  std::string what;  // "may create jobs.batch"
  std::string why;   // of a bad one: what is missing, and the way out
};

// Asks the API server for each of NeededPermissions(), for ParallelJobs, and for the Lease of the
// leader. An Error: the server did not answer.
Result<std::vector<Finding>> SelfCheck(kube::Api* api, const SelfCheckOptions& options);

}  // namespace pj::op
