// `paralleljob logs JOB`: what its pods print; and, when they are gone or a mini-batch is asked
// for, what its log folder holds.
#include <fmt/core.h>

#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_log_files.h"
#include "cli/job_view.h"
#include "cli/pod_logs.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

std::vector<std::string> Containers(const LogsOptions& options) {
  if (!options.container.empty()) return {options.container};
  return {job::kAgentContainer, job::kUserContainer};
}

// The logs as they are. True if a pod had one.
Result<bool> PrintPods(const ClusterTarget& cluster, const LogsOptions& options, LogOutput* out) {
  PJ_ASSIGN(const std::vector<WorkerPod> pods,
            WorkerPods(cluster.api.get(), cluster.ns, options.job));
  bool any = false;
  for (const WorkerPod& pod : pods) {
    if (options.instance >= 0 && pod.instance != options.instance) continue;
    for (const std::string& container : Containers(options)) {
      const LogSource source{.instance = pod.instance, .pod = pod.name, .container = container};
      out->Begin(source);
      const Status printed = PrintLog(
          cluster.api.get(),
          {.ns = cluster.ns, .pod = pod.name, .container = container, .tail = options.tail}, out);
      out->End();
      if (OutLost()) return true;
      if (!printed && printed.error().code == Code::kNotFound) {
        PrintNote(fmt::format("{}: nothing yet: {}", source.Heading(), printed.error().message));
        continue;
      }
      if (!printed) return std::unexpected(printed.error());
      any = true;
    }
  }
  return any;
}

Status PrintFolder(const ClusterTarget& cluster, const LogsOptions& options, LogOutput* out) {
  StopSignals signals;  // so that Ctrl-C leaves no pod behind
  PJ_ASSIGN(const auto pod, ReaderPod::Start(cluster.api.get(), {.ns = cluster.ns,
                                                                 .job = options.job,
                                                                 .image = options.worker_image,
                                                                 .outputs = false,
                                                                 .stop = [&](Millis wait) {
                                                                   return signals.Wait(wait, -1);
                                                                 }}));
  if (options.mini_batch >= 0) {
    return PrintMiniBatch(pod.get(), static_cast<uint64_t>(options.mini_batch), out);
  }
  if (options.instance >= 0) return PrintInstanceLogs(pod.get(), options.instance, out);
  return PrintJobResult(pod.get(), out);
}

}  // namespace

int LogsCommand(const LogsOptions& options) {
  const bool json = options.json;
  LogOutput out(json);
  if (Status fine = RefuseFolder("logs", options.job); !fine) return Refused(fine.error(), json);
  const Result<ClusterTarget> cluster = OpenJobsCluster(options.cluster);
  if (!cluster) return Refused(cluster.error(), json);
  const Result<JobView> job = GetJob(cluster->api.get(), cluster->ns, options.job);
  if (!job) return Refused(job.error(), json);
  if (Status there = MiniBatchIsThere(*job, options.mini_batch); !there) {
    return Refused(there.error(), json);
  }
  if (options.mini_batch < 0 && options.follow && !job->Ended()) {
    const Status followed = FollowLogs(cluster->api.get(),
                                       {.ns = cluster->ns,
                                        .job = options.job,
                                        .containers = Containers(options),
                                        .instance = options.instance,
                                        .tail = options.tail},
                                       &out);
    return followed || OutLost() ? kExitDone : Refused(followed.error(), json);
  }
  if (options.mini_batch < 0) {
    const Result<bool> printed = PrintPods(*cluster, options, &out);
    if (OutLost()) return kExitDone;  // FinishOutput says why
    if (!printed) return Refused(printed.error(), json);
    if (!job->Ended()) {
      if (!*printed) PrintNote(fmt::format("{} has no pods that say anything yet", options.job));
      return kExitDone;
    }
  }
  const Status printed = PrintFolder(*cluster, options, &out);
  if (OutLost()) return kExitDone;
  if (!printed && printed.error().code == Code::kCancelled) return kExitInterrupted;
  if (!printed) return Refused(printed.error(), json);
  if (options.mini_batch < 0) {
    PrintNote(fmt::format("`paralleljob fetch {}` brings all log files here", options.job));
  }
  return kExitDone;
}

}  // namespace pj::cli
