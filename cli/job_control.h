// JobControl: what a person may change of a job that exists: its mutable settings.
#pragma once

#include <string>

#include "base/result.h"
#include "kube/api.h"

namespace pj::cli {

struct JobAddress {
  std::string ns;
  std::string name;
};

// True if something changed. A job that has ended, or is cancelled, is kInvalid.
Result<bool> SetSuspended(kube::Api* api, const JobAddress& job, bool suspended);
Result<bool> SetInstances(kube::Api* api, const JobAddress& job, int64_t instances);
// For good: rows that are committed are kept as the output's *.partial.
Result<bool> Cancel(kube::Api* api, const JobAddress& job);

}  // namespace pj::cli
