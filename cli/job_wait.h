// JobWait: follows a job of a cluster to its end, with the progress line of a local run.
#pragma once

#include <optional>

#include "cli/job_view.h"
#include "kube/api.h"

namespace pj::cli {

// Progress goes to stderr: redrawn on a terminal, else a line for each change, at most one in ten
// seconds. Returns the job when it has ended or stalled; nothing after Ctrl-C. An API server that
// cannot be reached is asked again for `patience`; a job that is deleted meanwhile is kNotFound.
Result<std::optional<JobView>> WaitForJob(kube::Api* api, const std::string& ns,
                                          const std::string& name, Seconds patience = Seconds(120));

}  // namespace pj::cli
