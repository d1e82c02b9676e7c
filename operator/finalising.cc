#include "operator/finalising.h"

#include "base/json.h"
#include "base/log.h"
#include "operator/children.h"
#include "operator/kinds.h"
#include "operator/workers.h"

namespace pj::op {
namespace {

constexpr Nanos kPatience = Seconds(60);  // of a job without living agents

bool Has(const JobWorld& world, const std::string& job) {
  for (const WorkerJobView& each : world.jobs) {
    if (each.meta.name == job) return true;
  }
  return false;
}

// What `run -o json` prints of a job that failed before it had a plan.
std::string EmptySummary(const Turn& turn, const policy::Verdict& verdict) {
  const Json none{{"total", 0}, {"succeeded", 0}, {"failed", 0}};
  return DumpJson({{"job", turn.job().meta.name},
                   {"state", "Failed"},
                   {"reason", verdict.reason},
                   {"message", verdict.message},
                   {"miniBatches", none},
                   {"items", none},
                   {"retries", 0},
                   {"outputs", Json::object()},
                   {"errors", Json::array()}});
}

Status WriteResult(Turn* turn, const policy::Verdict& verdict) {
  job::StoredResult result;
  result.exit_code = 1;
  result.summary_json = EmptySummary(*turn, verdict);
  const kube::ConfigMap map = job::EncodeResult(turn->job().objects(), result);
  PJ_ASSIGN([[maybe_unused]] const bool made,
            turn->writer.Create(kube::ConfigMaps(), map.meta.ns, kube::Encode(map)));
  return {};
}

Status StartFinaliser(Turn* turn) {
  const Child job = FinaliserJob(turn->job(), turn->options);
  if (Has(turn->world, job.name)) return {};
  PJ_INFO("no agent lives, starting {}", job.name);
  PJ_ASSIGN([[maybe_unused]] const bool made,
            turn->writer.Create(job.type, turn->job().meta.ns, job.body));
  return {};
}

template <class View>
Status DeleteAll(Turn* turn, const kube::ResourceType& type, const std::vector<View>& objects) {
  for (const View& object : objects) {
    PJ_TRY(turn->writer.Delete(type, object.meta.ns, object.meta.name, object.meta.uid));
  }
  return {};
}

}  // namespace

Status EnsureResult(Turn* turn, const Decision& decision) {
  if (turn->world.result || !decision.Decided()) return {};
  std::optional<Nanos>& since = turn->memory.decided_since;
  if (!since) since = turn->now();
  if (decision.Failed() && !turn->world.plan && !AnyWorkerLives(turn->world)) {
    return WriteResult(turn, decision.verdict);
  }
  if (AnyWorkerLives(turn->world)) {
    since = turn->now();
    turn->WakeIn(kPatience);
    return {};
  }
  const bool none_will_come = turn->spec().suspend || turn->spec().instance_count.value == 0;
  const Nanos waited = turn->now() - *since;
  if (!none_will_come && waited < kPatience) {
    turn->WakeIn(kPatience - waited);
    return {};
  }
  return StartFinaliser(turn);
}

Status ExpireChildren(Turn* turn) {
  const JobWorld& world = turn->world;
  const std::optional<int64_t> ttl = turn->spec().ttl_seconds_after_finished;
  if (!ttl || !world.job.completion) return {};
  const Nanos left = *world.job.completion + Seconds(*ttl) - turn->clock.Wall();
  if (left > Nanos(0)) {
    turn->WakeIn(left + Millis(1));
    return {};
  }
  PJ_TRY(DeleteAll(turn, Jobs(), world.jobs));
  PJ_TRY(DeleteAll(turn, kube::Leases(), world.leases));
  PJ_TRY(DeleteAll(turn, kube::Leases(), world.other_leases));
  if (world.maps.empty()) return {};  // they go last: all the rest is gone
  for (const auto& children : {Rights(world.job), Accounts(world.job)}) {
    for (const Child& child : children) {
      PJ_TRY(turn->writer.Delete(child.type, world.job.meta.ns, child.name, ""));
    }
  }
  for (const std::string& name : world.maps) {
    PJ_TRY(turn->writer.Delete(kube::ConfigMaps(), world.job.meta.ns, name, ""));
  }
  return {};
}

}  // namespace pj::op
