// Effective: every setting of a job with the value that counts and where it came from, as
// status.effective shows it. What is no single value and has no default (code, podTemplate,
// variables, the places of the data) stands in the spec alone.
#pragma once

#include <string>
#include <vector>

#include "operator/views.h"

namespace pj::op {

struct EffectiveSetting {
  std::string name;    // below spec: "retrySettings.maxRetries"
  std::string value;   // as it would be written
  std::string source;  // "default", "manifest" or "flag" (of task.programArguments)
};

std::vector<EffectiveSetting> Effective(const ParallelJobView& job);

}  // namespace pj::op
