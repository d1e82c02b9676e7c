// `paralleljob top JOB`: each worker: where it runs, and what it does.
#include <fmt/core.h>

#include <map>

#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_view.h"
#include "cli/pod_logs.h"
#include "cli/print.h"
#include "job/job_objects.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

// What each worker says of itself, by the name of its Lease.
Result<std::map<std::string, job::WorkerState>> WorkerStates(kube::Api* api, const JobView& job) {
  PJ_ASSIGN(
      const std::vector<Json> leases,
      ListObjects(api, kube::Leases(), job.ns, fmt::format("{}={}", job::kJobLabel, job.name)));
  std::map<std::string, job::WorkerState> out;
  for (const Json& object : leases) {
    const Result<kube::Lease> lease = kube::DecodeLease(DumpJson(object));
    if (!lease) continue;
    const auto note = lease->meta.annotations.find(job::kWorkerStateNote);
    if (note == lease->meta.annotations.end()) continue;
    if (const auto state = job::DecodeWorkerState(note->second)) out[lease->meta.name] = *state;
  }
  return out;
}

std::string Doing(const WorkerPod& pod, const job::WorkerState* state) {
  if (pod.phase != "Running" || state == nullptr) return pod.phase;
  if (!state->lost_reason.empty()) return state->lost_reason;
  if (!state->environment_ready) return "Preparing";
  return state->initialising ? "init()" : "Working";
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
  const auto states = WorkerStates(api, *job);
  if (!states) return Refused(states.error(), options.json);
  const job::JobObjects objects{job->ns, job->name, job->identity};
  Json list = Json::array();
  Table table({"INSTANCE", "STATUS", "SLOTS", "STARTED", "RESTARTS", "NODE", "POD"});
  for (const WorkerPod& pod : *pods) {
    const auto found = states->find(objects.Name(fmt::format("w-{}", pod.instance)));
    const job::WorkerState* state =
        found == states->end() || pod.Ended() ? nullptr : &found->second;
    const std::string doing = Doing(pod, state);
    list.push_back({{"instance", pod.instance},
                    {"status", doing},
                    {"ready", pod.ready},
                    {"slots", state == nullptr ? 0 : state->slots},
                    {"started", state == nullptr ? 0 : state->started},
                    {"restarts", pod.restarts},
                    {"node", pod.node},
                    {"pod", pod.name}});
    table.Add({fmt::format("{}", pod.instance), doing,
               state == nullptr ? "-" : fmt::format("{}", state->slots),
               state == nullptr ? "-" : fmt::format("{}", state->started),
               fmt::format("{}", pod.restarts), pod.node.empty() ? "-" : pod.node, pod.name});
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
