#include "cli/worker_work.h"

#include <fmt/core.h>

#include <charconv>

#include "base/json.h"
#include "cli/cluster_target.h"
#include "job/pod_contract.h"

namespace pj::cli {
namespace {

// "w-12" → 12; nothing for other names.
std::optional<int64_t> InstanceOf(std::string_view worker) {
  if (!worker.starts_with("w-")) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(worker.begin() + 2, worker.end(), number);
  if (error != std::errc() || end != worker.end() || number < 0) return std::nullopt;
  return number;
}

std::string Selector(const JobView& job) {
  return fmt::format("{}={},{}={}", job::kJobLabel, job.name, job::kRunLabel,
                     job.identity.ShortHash());
}

Status ReadLeases(kube::Api* api, const JobView& job, std::map<int64_t, WorkerWork>* out) {
  PJ_ASSIGN(const std::vector<Json> leases,
            ListObjects(api, kube::Leases(), job.ns, Selector(job)));
  const std::string prefix = job::JobObjects{job.ns, job.name, job.identity}.Name("");
  for (const Json& object : leases) {
    const Result<kube::Lease> lease = kube::DecodeLease(DumpJson(object));
    if (!lease || !lease->meta.name.starts_with(prefix)) continue;
    const auto instance = InstanceOf(std::string_view(lease->meta.name).substr(prefix.size()));
    const auto note = lease->meta.annotations.find(job::kWorkerStateNote);
    if (!instance || note == lease->meta.annotations.end()) continue;
    WorkerWork& work = (*out)[*instance];
    work.released = lease->holder.empty();
    if (const auto state = job::DecodeWorkerState(note->second)) work.state = *state;
  }
  return {};
}

// Not everybody may list them: then the Leases tell alone.
void ReadShards(kube::Api* api, const JobView& job, std::map<int64_t, WorkerWork>* out) {
  const auto maps = ListObjects(api, kube::ConfigMaps(), job.ns, Selector(job));
  if (!maps) return;
  for (auto& [instance, work] : *out) work.done = 0;
  for (const Json& object : *maps) {
    const Result<kube::ConfigMap> map = kube::DecodeConfigMap(DumpJson(object));
    if (!map) continue;
    const auto record = map->binary_data.find(job::kRecordKey);
    if (record == map->binary_data.end()) continue;
    const Result<ledger::ShardRecord> shard = ledger::DecodeShard(record->second);
    const auto instance = shard ? InstanceOf(shard->holder) : std::nullopt;
    if (!instance) continue;
    WorkerWork& work = (*out)[*instance];
    work.done = work.done.value_or(0) + shard->DoneCount();
    work.moves = work.moves || shard->progress > 0;
  }
}

}  // namespace

Result<std::map<int64_t, WorkerWork>> WorkOf(kube::Api* api, const JobView& job) {
  std::map<int64_t, WorkerWork> out;
  PJ_TRY(ReadLeases(api, job, &out));
  ReadShards(api, job, &out);
  return out;
}

std::string Doing(const WorkerPod& pod, const WorkerWork* work) {
  if (pod.phase != "Running" || work == nullptr) return pod.phase;
  if (work->released) return "Stopped";
  const job::WorkerState state = work->state.value_or(job::WorkerState{});
  if (!state.lost_reason.empty()) return state.lost_reason;
  if (!state.trouble_reason.empty()) return state.trouble_reason;
  if (state.initialising) return "init()";
  return state.environment_ready || work->moves ? "Working" : "Preparing";
}

}  // namespace pj::cli
