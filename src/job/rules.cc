#include "job/rules.h"

namespace pj::job {

policy::Thresholds ThresholdsOf(const api::ParallelJobSpec& spec) {
  policy::Thresholds t;
  t.mini_batch_error_threshold = spec.mini_batch_error_threshold.value;
  t.error_threshold = spec.error_threshold.value;
  t.allowed_failed_percent = spec.allowed_failed_percent.value;
  t.progress_timeout = Seconds(spec.EffectiveProgressTimeoutSeconds());
  t.first_task_timeout = Seconds(spec.first_task_creation_timeout_seconds.value);
  t.append_row = !spec.task.append_row_to.empty();
  return t;
}

}  // namespace pj::job
