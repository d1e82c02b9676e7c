#include "api/parallel_job.h"

namespace pj::api {

const Input* ParallelJobSpec::FindInput(const std::string& name) const {
  for (const Input& input : inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

const Output* ParallelJobSpec::FindOutput(const std::string& name) const {
  for (const Output& output : outputs) {
    if (output.name == name) return &output;
  }
  return nullptr;
}

int64_t ParallelJobSpec::EffectiveProgressTimeoutSeconds() const {
  if (progress_update_timeout_seconds) return *progress_update_timeout_seconds;
  return (retry_settings.max_retries.value + 1) *
         (retry_settings.timeout_seconds.value + task_overhead_timeout_seconds.value);
}

}  // namespace pj::api
