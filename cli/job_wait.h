// JobWait: follows a job of a cluster to its end, with the progress line of a local run.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "cli/job_view.h"
#include "kube/api.h"

namespace pj::cli {

// What a wait says of a job: ProgressText, but that no operator has looked at it yet only when that
// has been so for a while. Not thread-safe; `now` is monotonic.
class WaitLine {
 public:
  std::string Text(const JobView& job, Nanos now);

 private:
  std::optional<Nanos> unseen_since_;
};

// Progress goes to stderr: redrawn on a terminal, else a line for each change, at most one in ten
// seconds. Returns the job when it has ended or stalled; nothing after Ctrl-C. An API server that
// cannot be reached is asked again for `patience`; a job that is deleted meanwhile is kNotFound.
Result<std::optional<JobView>> WaitForJob(kube::Api* api, const std::string& ns,
                                          const std::string& name, Seconds patience = Seconds(120));

}  // namespace pj::cli
