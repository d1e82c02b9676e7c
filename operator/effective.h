// Effective: every setting of a job with the value that counts and where it came from, as
// status.effective shows it.
#pragma once

#include <string>
#include <vector>

#include "api/parallel_job.h"

namespace pj::op {

struct EffectiveSetting {
  std::string name;    // below spec: "retrySettings.maxRetries"
  std::string value;   // as it would be written
  std::string source;  // "default", "manifest" or "flag" (of task.programArguments)
};

std::vector<EffectiveSetting> Effective(const api::ParallelJobSpec& spec);

}  // namespace pj::op
