#include "operator/world.h"

#include <algorithm>

#include "base/json.h"
#include "job/pod_contract.h"
#include "operator/kinds.h"
#include "operator/options.h"

namespace pj::op {
namespace {

std::string Label(const kube::Meta& meta, const std::string& key) {
  const auto found = meta.labels.find(key);
  return found == meta.labels.end() ? std::string() : found->second;
}

// Labels and owner together: somebody else's object with our labels is none of ours.
bool BelongsTo(const kube::Meta& meta, const ParallelJobView& job) {
  return meta.owner && meta.owner->uid == job.meta.uid &&
         Label(meta, job::kRunLabel) == job.identity().ShortHash();
}

struct Wanted {
  std::string ns;
  std::string label_selector;
};

Wanted OfRun(const ParallelJobView& job) {
  return {job.meta.ns, std::string(job::kRunLabel) + "=" + job.identity().ShortHash()};
}

template <class Each>
Status ListInto(kube::Api* api, const kube::ResourceType& type, const Wanted& wanted,
                const Each& each) {
  kube::Request request{.verb = kube::Verb::kList, .type = type, .ns = wanted.ns};
  request.label_selector = wanted.label_selector;
  PJ_ASSIGN(const kube::Response response, api->Do(request));
  if (!response.ok()) return Fail(Code::kUnavailable, response.message, type.plural);
  PJ_ASSIGN(Json list, ParseJson(response.body, type.plural));
  for (Json& item : list["items"]) {
    item["kind"] = type.kind;  // items of a list come without
    item["apiVersion"] = type.ApiVersion();
    PJ_TRY(each(DumpJson(item)));
  }
  return {};
}

template <class View>
auto PlaceInto(JobWorld* world, Result<View> (*decode)(std::string_view)) {
  return [world, decode](const std::string& json) -> Status {
    PJ_ASSIGN(const View view, decode(json));
    Place(view, world);
    return {};
  };
}

struct Taker {
  const RunMapView& map;
  JobWorld* world;

  void operator()(std::monostate) const {}
  void operator()(const job::PlanFacts& plan) const { world->plan = plan; }
  void operator()(const job::StoredResult& result) const { world->result = result; }
  void operator()(const ledger::ShardRecord& shard) const {
    if (shard.job == world->job.identity()) world->shards.push_back(shard);
  }
  void operator()(const ledger::Control& control) const {
    world->control = control;
    world->control_version = map.meta.resource_version;
  }
};

}  // namespace

void Place(const RunMapView& map, JobWorld* world) {
  if (!BelongsTo(map.meta, world->job)) return;
  world->maps.push_back(map.meta.name);
  if (!map.damage.empty() && world->damage.empty()) {
    world->damage = map.meta.name + ": " + map.damage;
  }
  std::visit(Taker{map, world}, map.content);
}

void Place(const WorkerLeaseView& lease, JobWorld* world) {
  if (!BelongsTo(lease.meta, world->job)) return;
  const bool workers = lease.meta.name.starts_with(world->job.objects().Name("w-"));
  (workers ? world->leases : world->other_leases).push_back(lease);
}

void Place(const WorkerJobView& job, JobWorld* world) {
  if (BelongsTo(job.meta, world->job)) world->jobs.push_back(job);
}

// A pod's owner is its Job.
void Place(const WorkerPodView& pod, JobWorld* world) {
  if (Label(pod.meta, job::kRunLabel) == world->job.identity().ShortHash()) {
    world->pods.push_back(pod);
  }
}

void SortWorld(JobWorld* world) {
  const auto by_name = [](const auto& a, const auto& b) { return a.meta.name < b.meta.name; };
  std::sort(world->shards.begin(), world->shards.end(),
            [](const auto& a, const auto& b) { return a.lo < b.lo; });
  std::sort(world->maps.begin(), world->maps.end());
  std::sort(world->leases.begin(), world->leases.end(), by_name);
  std::sort(world->jobs.begin(), world->jobs.end(), by_name);
  std::sort(world->pods.begin(), world->pods.end(), by_name);
}

bool IsLeftover(const kube::Meta& pod, const JobKey& key, const std::string& run) {
  return pod.ns == key.ns && Label(pod, job::kJobLabel) == key.name &&
         Label(pod, job::kRunLabel) != run && Label(pod, kManagerLabel) == kManagerName;
}

Result<std::vector<WorkerPodView>> ApiReader::Leftovers(const JobKey& key, const std::string& run) {
  std::vector<WorkerPodView> out;
  const Wanted wanted{key.ns, std::string(job::kJobLabel) + "=" + key.name};
  PJ_TRY(ListInto(api_, Pods(), wanted, [&](const std::string& json) -> Status {
    PJ_ASSIGN(WorkerPodView pod, DecodeWorkerPod(json));
    if (IsLeftover(pod.meta, key, run)) out.push_back(std::move(pod));
    return {};
  }));
  return out;
}

Result<std::optional<JobWorld>> ApiReader::Read(const JobKey& key) {
  kube::Request get{.verb = kube::Verb::kGet, .type = kube::ParallelJobs(), .ns = key.ns};
  get.name = key.name;
  PJ_ASSIGN(const kube::Response response, api_->Do(get));
  if (response.code == 404) return std::optional<JobWorld>();
  if (!response.ok()) return Fail(Code::kUnavailable, response.message, key.ToString());
  JobWorld world;
  PJ_ASSIGN(world.job, DecodeParallelJob(response.body));
  const Wanted run = OfRun(world.job);
  PJ_TRY(ListInto(api_, kube::ConfigMaps(), run, PlaceInto(&world, DecodeRunMap)));
  PJ_TRY(ListInto(api_, kube::Leases(), run, PlaceInto(&world, DecodeWorkerLease)));
  PJ_TRY(ListInto(api_, Jobs(), run, PlaceInto(&world, DecodeWorkerJob)));
  PJ_TRY(ListInto(api_, Pods(), run, PlaceInto(&world, DecodeWorkerPod)));
  SortWorld(&world);
  return std::optional<JobWorld>(std::move(world));
}

}  // namespace pj::op
