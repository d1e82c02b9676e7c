// `paralleljob suspend`, `resume`, `scale` and `cancel`: one mutable setting each.
#include <fmt/core.h>

#include <functional>

#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_control.h"
#include "cli/print.h"

namespace pj::cli {
namespace {

using Change = std::function<Result<bool>(kube::Api*, const JobAddress&)>;

// `done` and `already`: what is said of the job.
int Run(const JobOptions& options, const Change& change, const std::string& done,
        const std::string& already) {
  const Result<ClusterTarget> cluster = OpenJobsCluster(options.cluster);
  if (!cluster) return Refused(cluster.error(), options.json);
  const Result<bool> changed = change(cluster->api.get(), {cluster->ns, options.job});
  if (!changed) return Refused(changed.error(), options.json);
  if (options.json) {
    Print("{}\n", DumpJson({{"job", options.job}, {"changed", *changed}}));
  } else {
    Print("{}: {}\n", options.job, *changed ? done : already);
  }
  return kExitDone;
}

}  // namespace

int SuspendCommand(const JobOptions& options) {
  return Run(
      options, [](auto* api, const auto& job) { return SetSuspended(api, job, true); },
      "running calls finish, then its pods stop; resume goes on from there",
      "is suspended already");
}

int ResumeCommand(const JobOptions& options) {
  return Run(
      options, [](auto* api, const auto& job) { return SetSuspended(api, job, false); }, "goes on",
      "is not suspended");
}

int ScaleCommand(const JobOptions& options) {
  const std::string count =
      fmt::format("{} instance{}", options.instances, options.instances == 1 ? "" : "s");
  return Run(
      options,
      [&](auto* api, const auto& job) { return SetInstances(api, job, options.instances); },
      "will have " + count, "has " + count + " already");
}

int CancelCommand(const JobOptions& options) {
  return Run(
      options, [](auto* api, const auto& job) { return Cancel(api, job); },
      "is being cancelled; what is committed is kept, and its logs", "is cancelled already");
}

}  // namespace pj::cli
