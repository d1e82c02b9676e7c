#include "operator/lost_workers.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "base/log.h"
#include "ledger/plants.h"
#include "operator/kinds.h"

namespace pj::op {
namespace {

constexpr Nanos kBeyondGrace = Seconds(30);
constexpr int kLeaseTicks = 3;
constexpr Nanos kFinaliserLease = Seconds(15);  // its pod knows no other tick than 5 s
// A kubelet that lives has removed its pod by then.
constexpr Nanos kAfterGrace = Seconds(5);
constexpr Nanos kAgain = Seconds(5);
// A pod of a job that is gone has nothing to finish. Kubelets that live end it within seconds; with
// this a deletion takes less than 30 s, though the node's loss is not known yet.
constexpr Nanos kShortenAfter = Seconds(12);
constexpr Seconds kShortGrace{2};

Nanos LeaseTime(const Turn& turn) {
  return turn.world.control ? turn.world.control->tick * kLeaseTicks : Nanos(Seconds(15));
}

// A pod without a Lease never gave a sign of life.
bool IsSilent(const Turn& turn, const WorkerPodView& pod) {
  for (const WorkerLeaseView& lease : turn.world.leases) {
    if (lease.holder.starts_with(pod.meta.uid + "/")) return IsSilent(turn, lease);
  }
  return true;
}

// By name of a Lease: what changes whenever its worker writes anything.
std::map<std::string, std::string> SignsOfLife(const JobWorld& world) {
  const job::JobObjects objects = world.job.objects();
  std::map<std::string, std::string> signs;
  for (const auto* leases : {&world.leases, &world.other_leases}) {
    for (const WorkerLeaseView& lease : *leases) {
      signs[lease.meta.name] = lease.meta.resource_version;
    }
  }
  for (const ledger::ShardRecord& shard : world.shards) {
    const auto found = signs.find(objects.Name(shard.holder));
    if (shard.holder.empty() || found == signs.end()) continue;
    found->second += fmt::format(" {}:{}", shard.write_id.incarnation, shard.write_id.counter);
  }
  return signs;
}

Status MarkFailed(Turn* turn, const WorkerPodView& pod) {
  PJ_ASSIGN(const std::string stored, turn->writer.Get(Pods(), pod.meta.ns, pod.meta.name));
  PJ_ASSIGN(Json body, ParseJson(stored, pod.meta.name));
  Json& status = body["status"];
  status["phase"] = "Failed";
  status["reason"] = kGivenUp;
  Json kept = Json::array();
  if (const auto found = status.find("conditions"); found != status.end() && found->is_array()) {
    for (const Json& condition : *found) {
      if (condition.value("type", "") != "DisruptionTarget") kept.push_back(condition);
    }
  }
  kept.push_back({{"type", "DisruptionTarget"},
                  {"status", "True"},
                  {"reason", "DeletionByParallelJob"},
                  {"message", fmt::format("node {} has not stopped this pod in time and its agent "
                                          "gives no sign of life",
                                          pod.node)},
                  {"lastTransitionTime", FormatRfc3339Seconds(turn->clock.Wall())}});
  status["conditions"] = std::move(kept);
  PJ_WARN("pod {} on {} is lost", pod.meta.name, pod.node);
  return turn->writer.UpdateStatus(Pods(), pod.meta.ns, pod.meta.name, DumpJson(body));
}

// Shortens the grace of a pod that does not go. Returns when it is to be looked at again.
Result<Nanos> HurryUp(const WorkerPodView& pod, Writer* writer, const Clock& clock) {
  if (pod.grace <= kShortGrace) return kNever;
  const Nanos wait = *pod.deletion - pod.grace + kShortenAfter - clock.Wall();
  if (wait > Nanos(0)) return wait;
  PJ_TRY(writer->ShortenGrace(pod.meta, kShortGrace));
  return kShortGrace + kAfterGrace;
}

}  // namespace

void WatchLeases(Turn* turn) {
  auto& seen = turn->memory.leases;
  const std::map<std::string, std::string> signs = SignsOfLife(turn->world);
  for (const auto& [name, sign] : signs) {
    JobMemory::Seen& last = seen[name];
    if (last.sign != sign) last = {sign, turn->now()};
  }
  std::erase_if(seen, [&signs](const auto& entry) { return !signs.contains(entry.first); });
}

bool IsSilent(const Turn& turn, const WorkerLeaseView& lease) {
  if (ledger::Planted(ledger::Plant::kWallClockExpiry)) {
    const auto renewed = ParseRfc3339(lease.renew_time);
    return renewed && turn.clock.Wall() - *renewed >= LeaseTime(turn);
  }
  const auto seen = turn.memory.leases.find(lease.meta.name);
  const bool worker = lease.meta.name.starts_with(turn.job().objects().Name("w-"));
  const Nanos lasts = worker ? LeaseTime(turn) : std::max(LeaseTime(turn), kFinaliserLease);
  return seen != turn.memory.leases.end() && turn.now() - seen->second.at >= lasts;
}

bool AnyWorkerIsSilent(Turn* turn) {
  for (const WorkerPodView& pod : turn->world.pods) {
    if (pod.phase != "Running" || pod.deletion) continue;
    turn->WakeIn(LeaseTime(*turn));
    if (IsSilent(*turn, pod)) return true;
  }
  return false;
}

Result<std::vector<const WorkerPodView*>> ReplaceLostWorkers(Turn* turn) {
  std::vector<const WorkerPodView*> lost;
  if (ledger::Planted(ledger::Plant::kLostPodsKept)) return lost;
  for (const WorkerPodView& pod : turn->world.pods) {
    if (pod.given_up && pod.deletion) {
      PJ_TRY(turn->writer.ForceDeletePod(pod.meta));
      turn->WakeIn(kAgain);  // the Job controller may not have counted it yet
      continue;
    }
    if (pod.Ended() || !pod.deletion || pod.node.empty()) continue;
    const Nanos left = *pod.deletion + kBeyondGrace - turn->clock.Wall();
    if (left > Nanos(0)) {
      turn->WakeIn(left + Millis(1));
    } else if (!IsSilent(*turn, pod)) {
      turn->WakeIn(Seconds(1));
    } else {
      const Status marked = MarkFailed(turn, pod);
      if (!marked && marked.error().code != Code::kNotFound) {
        return std::unexpected(marked.error());
      }
      lost.push_back(&pod);
    }
  }
  return lost;
}

Result<Nanos> ReleaseLeftovers(const std::vector<WorkerPodView>& pods, Writer* writer,
                               const Clock& clock) {
  Nanos next = kNever;
  for (const WorkerPodView& pod : pods) {
    if (!pod.deletion) continue;  // the garbage collector comes to it, and we hear of that
    const Nanos left = *pod.deletion + kAfterGrace - clock.Wall();
    if (!pod.node_lost && left > Nanos(0)) {
      PJ_ASSIGN(const Nanos wait, HurryUp(pod, writer, clock));
      next = std::min(next, std::min(left, wait) + Millis(1));
      continue;
    }
    PJ_WARN("pod {} on {} is left of a job that is gone: removing it", pod.meta.name, pod.node);
    PJ_TRY(writer->ForceDeletePod(pod.meta));
    next = std::min(next, kAgain);
  }
  return next;
}

}  // namespace pj::op
