// `paralleljob top JOB`: each worker: where it runs, and what it does.
#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_view.h"
#include "cli/pod_logs.h"
#include "cli/print.h"
#include "cli/worker_work.h"

namespace pj::cli {
namespace {

Json RowJson(const WorkerPod& pod, const std::string& doing, const WorkerWork* work) {
  const job::WorkerState state =
      work == nullptr ? job::WorkerState{} : work->state.value_or(job::WorkerState{});
  const uint64_t done = work == nullptr ? 0 : work->done.value_or(0);
  return {{"instance", pod.instance},
          {"status", doing},
          {"ready", pod.ready},
          {"slots", state.slots},
          {"started", std::max(state.started, done)},
          {"done", done},
          {"restarts", pod.restarts},
          {"node", pod.node},
          {"pod", pod.name}};
}

void AddRow(const WorkerPod& pod, const std::string& doing, const WorkerWork* work, Table* table) {
  const bool told = work != nullptr && work->state && !work->released && !pod.Ended();
  const bool counted = work != nullptr && work->done;
  table->Add({fmt::format("{}", pod.instance), doing,
              told ? fmt::format("{}", work->state->slots) : "-",
              counted ? fmt::format("{}", *work->done) : "-", fmt::format("{}", pod.restarts),
              pod.node.empty() ? "-" : pod.node, pod.name});
}

}  // namespace

int TopCommand(const JobOptions& options) {
  if (Status fine = RefuseFolder("top", options.job); !fine) {
    return Refused(fine.error(), options.json);
  }
  const Result<ClusterTarget> cluster = OpenJobsCluster(options.cluster);
  if (!cluster) return Refused(cluster.error(), options.json);
  kube::Api* const api = cluster->api.get();
  const Result<JobView> job = GetJob(api, cluster->ns, options.job);
  if (!job) return Refused(job.error(), options.json);
  const auto pods = WorkerPods(api, cluster->ns, options.job);
  if (!pods) return Refused(pods.error(), options.json);
  const auto works = WorkOf(api, *job);
  if (!works) return Refused(works.error(), options.json);
  Json list = Json::array();
  Table table({"INSTANCE", "STATUS", "SLOTS", "DONE", "RESTARTS", "NODE", "POD"});
  for (const WorkerPod& pod : *pods) {
    const auto found = works->find(pod.instance);
    const WorkerWork* work = found == works->end() ? nullptr : &found->second;
    const std::string doing = Doing(pod, work);
    list.push_back(RowJson(pod, doing, work));
    AddRow(pod, doing, work, &table);
  }
  if (options.json) {
    Json out = ToJson(*job);
    out["pods"] = std::move(list);
    Print("{}\n", DumpJson(out));
    return kExitDone;
  }
  Print("{}\n", ProgressText(*job));
  if (pods->empty()) {
    PrintNote("no worker pods");
  } else {
    WriteOut(table.Text());
  }
  return kExitDone;
}

}  // namespace pj::cli
