// `paralleljob status JOB` and `errors JOB`: how a job of a cluster stands.
#include <fmt/core.h>

#include "base/json.h"
#include "base/words.h"
#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_view.h"
#include "cli/print.h"

namespace pj::cli {
namespace {

std::string Dash(const std::string& text) { return text.empty() ? "-" : text; }

int List(const ClusterTarget& cluster, const JobOptions& options) {
  const auto found = ListObjects(cluster.api.get(), kube::ParallelJobs(), cluster.ns);
  if (!found) return Refused(found.error(), options.json);
  Json list = Json::array();
  Table table({"NAME", "STATUS", "PROGRESS", "FAILED", "WORKERS", "DURATION"});
  for (const Json& object : *found) {
    const JobView job = ViewOf(object);
    list.push_back(ToJson(job));
    table.Add({job.name, job.state, Dash(job.progress),
               job.planned ? fmt::format("{}", job.mini_batches.failed) : "-",
               fmt::format("{}/{}", job.workers_ready, job.workers_wanted), Dash(job.duration)});
  }
  if (options.json) {
    Print("{}\n", DumpJson({{"namespace", cluster.ns}, {"jobs", std::move(list)}}));
  } else if (table.empty()) {
    PrintNote(fmt::format("no jobs in namespace {}", cluster.ns));
  } else {
    WriteOut(table.Text());
  }
  return kExitDone;
}

void PrintJob(const JobView& job) {
  Print("{}: {} in namespace {}{}\n", job.name, job.state, job.ns,
        job.duration.empty() ? "" : ", " + job.duration);
  if (!job.message.empty()) Print("{}: {}\n", job.reason, job.message);
  if (job.planned) {
    const JobCounts& batches = job.mini_batches;
    Print("{} of {} done, {} failed, {}; {} of {} succeeded\n", batches.succeeded + batches.failed,
          Count(batches.total, "mini-batch"), batches.failed, Count(job.retries, "retry"),
          job.items.succeeded, Count(job.items.total, "item"));
  }
  if (!job.Ended()) {
    Print("{} of {} workers ready{}{}\n", job.workers_ready, job.workers_wanted,
          job.rate.empty() ? "" : ", " + job.rate, job.eta.empty() ? "" : ", ETA " + job.eta);
  }
  WriteOut(OutputsText(job));
  WriteOut(ErrorsText(job));
  if (!job.outputs.empty()) PrintNote(FetchHint(job));
}

}  // namespace

int JobStatus(const JobOptions& options) {
  const Result<ClusterTarget> cluster = OpenJobsCluster(options.cluster, options.job);
  if (!cluster) return Refused(cluster.error(), options.json);
  if (options.job.empty()) return List(*cluster, options);
  const Result<JobView> job = GetJob(cluster->api.get(), cluster->ns, options.job);
  if (!job) return Refused(job.error(), options.json);
  if (options.json) {
    Print("{}\n", DumpJson(ToJson(*job)));
  } else {
    PrintJob(*job);
  }
  return kExitDone;
}

int ErrorsCommand(const JobOptions& options) {
  if (Status fine = RefuseFolder("errors", options.job); !fine) {
    return Refused(fine.error(), options.json);
  }
  const Result<ClusterTarget> cluster = OpenJobsCluster(options.cluster);
  if (!cluster) return Refused(cluster.error(), options.json);
  const Result<JobView> job = GetJob(cluster->api.get(), cluster->ns, options.job);
  if (!job) return Refused(job.error(), options.json);
  if (options.json) {
    Json out{{"job", job->name}, {"state", job->state}};
    out["errors"] = ToJson(*job)["errors"];
    Print("{}\n", DumpJson(out));
  } else if (job->errors.empty()) {
    Print("{}: {}\n", job->name, NoErrorsText(*job));
  } else {
    WriteOut(ErrorsText(*job));
  }
  return kExitDone;
}

}  // namespace pj::cli
