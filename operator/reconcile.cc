#include "operator/reconcile.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "ledger/plants.h"
#include "operator/control.h"
#include "operator/events.h"
#include "operator/finalising.h"
#include "operator/kueue.h"
#include "operator/lost_workers.h"
#include "operator/status.h"
#include "operator/stuck.h"
#include "operator/workers.h"

namespace pj::op {
namespace {

// Whatever a server asks for: a job is looked after once a minute.
constexpr Seconds kLongestWait{60};
// A status write that was granted may come so late: turns wait for others.
constexpr Seconds kGrantLasts{5};

bool ManagedByOthers(const ParallelJobView& job) {
  const std::string& manager = job.job.spec.managed_by;
  return !manager.empty() && manager != kManagedBy;
}

Status NoteLostWorkers(Turn* turn) {
  PJ_ASSIGN(const std::vector<const WorkerPodView*> lost, ReplaceLostWorkers(turn));
  for (const WorkerPodView* pod : lost) {
    Tell(turn,
         {.warning = true,
          .reason = "WorkerLost",
          .message = fmt::format("node {} is gone; pod {} is replaced", pod->node, pod->meta.name),
          .key = pod->meta.uid});
  }
  return {};
}

// What is refused to the workers' objects does not keep a cancelled job from its end.
Status Act(Turn* turn, const Decision& decision) {
  PJ_TRY(EnsureControl(turn, decision));
  Status workers = EnsureWorkers(turn, decision);
  if (!workers && !IsRefusal(workers.error())) return workers;
  TellQueue(turn, decision);
  PJ_TRY(NoteLostWorkers(turn));
  PJ_TRY(EnsureResult(turn, decision));
  PJ_TRY(StopStragglers(turn));
  LookForCauses(turn);
  TellStanding(turn, decision);
  return workers;
}

}  // namespace

Reconciler::Reconciler(ReconcilerOptions options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      status_writes_(options_.job.status_writes_per_second) {}

Result<Nanos> Reconciler::Reconcile(const JobKey& key, bool hurry) {
  Writer writer(options_.api, options_.wrote);
  Result<Nanos> next = TakeTurn(key, &writer, hurry);
  if (next || next.error().code != Code::kUnavailable || !writer.retry_after()) return next;
  const Seconds wait = std::clamp(*writer.retry_after(), Seconds(1), kLongestWait);
  const std::string name = key.ToString();
  const std::string uid = UidOf(key);
  const log::JobScope scope(name, uid);
  PJ_WARN("{}; again in {} s, as the server asks", next.error().ToString(), wait.count());
  return wait;
}

Result<Nanos> Reconciler::TakeTurn(const JobKey& key, Writer* writer, bool hurry) {
  PJ_ASSIGN(const std::optional<JobWorld> world, options_.reader->Read(key));
  const std::string name = key.ToString();
  const std::string uid = world ? world->job.meta.uid : UidOf(key);
  const log::JobScope scope(name, uid);
  PJ_ASSIGN(const Nanos leftovers, SeeToLeftovers(key, world, writer));
  if (!world || world->job.deleting || ManagedByOthers(world->job)) {
    Forget(key);  // the children of a deleted job go with their owner
    return leftovers;
  }
  Memory& memory = Remember(world->job);
  Turn turn{.world = *world,
            .memory = memory.job,
            .writer = *writer,
            .modes = modes_,
            .event_lists = event_lists_,
            .options = options_.job,
            .clock = clock_,
            .all_pods = CountPods(*world, &memory.job),
            .next = leftovers};
  WatchLeases(&turn);
  if (world->job.finished) {
    // Pods that the cache had not shown yet when the end was written, if there are any.
    PJ_TRY(NoteLostWorkers(&turn));
    PJ_TRY(StopStragglers(&turn));
    PJ_TRY(ExpireChildren(&turn));
    RecallStanding(*world, &memory.standing);
    PJ_TRY(NoteGeneration(&turn));
    return turn.next;
  }
  const Decision decision = Decide(&turn);
  if (hurry && world->jobs.empty() && !decision.invalid && !decision.Decided()) {
    PJ_TRY(EnsureControl(&turn, decision));
    PJ_TRY(EnsureFirstThings(&turn, decision));
    return Nanos(0);
  }
  if (!decision.invalid) {
    const Status acted = Act(&turn, decision);
    if (!acted && !IsRefusal(acted.error())) return std::unexpected(acted.error());
    if (!acted) turn.refused = acted.error();
  }
  PJ_TRY(WriteStatus(&turn, decision, &memory.standing));
  if (turn.refused) return std::unexpected(*turn.refused);  // tried again, ever more seldom
  return turn.next;
}

Result<Nanos> Reconciler::SeeToLeftovers(const JobKey& key, const std::optional<JobWorld>& world,
                                         Writer* writer) {
  const bool gone = !world || world->job.deleting;
  const std::string run = gone ? "" : world->job.identity().ShortHash();
  PJ_ASSIGN(const std::vector<WorkerPodView> pods, options_.reader->Leftovers(key, run));
  return ReleaseLeftovers(pods, writer, clock_);
}

Reconciler::Memory& Reconciler::Remember(const ParallelJobView& job) {
  const std::lock_guard lock(mutex_);
  Memory& memory = memory_[{job.meta.ns, job.meta.name}];
  const bool keeps = ledger::Planted(ledger::Plant::kForgetsUid) && !memory.job.uid.empty();
  if (memory.job.uid != job.meta.uid && !keeps) {  // the same name again is another job
    all_pods_ -= memory.job.pods_wanted;
    memory = {};
    memory.job.uid = job.meta.uid;
  }
  return memory;
}

bool Reconciler::Knows(const JobKey& key) const {
  const std::lock_guard lock(mutex_);
  return memory_.contains(key);
}

std::string Reconciler::UidOf(const JobKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = memory_.find(key);
  return found == memory_.end() ? "" : found->second.job.uid;
}

void Reconciler::Forget(const JobKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = memory_.find(key);
  if (found == memory_.end()) return;
  all_pods_ -= found->second.job.pods_wanted;
  memory_.erase(found);
}

int64_t Reconciler::CountPods(const JobWorld& world, JobMemory* memory) {
  const bool running =
      !world.job.finished && world.job.problem.empty() && !world.job.job.spec.suspend;
  const int64_t wanted = running ? world.job.job.spec.instance_count.value : 0;
  const std::lock_guard lock(mutex_);
  all_pods_ += wanted - memory->pods_wanted;
  memory->pods_wanted = wanted;
  return all_pods_;
}

// One write a job in status_interval, and a cap for all jobs together: whoever comes beyond it gets
// a slot in the order of asking, and is not woken before.
bool Reconciler::MayWriteStatus(Turn* turn) {
  const Nanos now = turn->now();
  if (turn->memory.status_written) {
    const Nanos due = *turn->memory.status_written + turn->options.status_interval;
    if (now < due) {
      turn->WakeIn(due - now);
      return false;
    }
  }
  std::optional<Nanos>& granted = turn->memory.status_granted;
  // One of a write that was not needed any more, long ago, counts no longer.
  if (!granted || now > *granted + kGrantLasts) granted = status_writes_.Reserve(now);
  if (now < *granted) {
    turn->WakeIn(*granted - now);
    return false;
  }
  granted.reset();
  return true;
}

Status Reconciler::WriteStatus(Turn* turn, const Decision& decision, JobStanding* standing) {
  const WantedStatus wanted = StatusOf(*turn, decision);
  {
    const std::lock_guard lock(mutex_);
    *standing = {wanted.state, decision.sums.done, decision.sums.counters.mini_batches_failed};
  }
  if (wanted.json.empty() || !MayWriteStatus(turn)) return {};
  return PutStatus(turn, wanted.json);
}

// A finished job does nothing more, but whoever waits for a change of its spec to be seen (kstatus,
// Argo CD, Flux) is told that it was.
Status Reconciler::NoteGeneration(Turn* turn) {
  PJ_ASSIGN(Json status, ParseJson(turn->job().status_json, "status"));
  if (!status.is_object() ||
      status.value("observedGeneration", int64_t{-1}) >= turn->job().generation) {
    return {};
  }
  if (!MayWriteStatus(turn)) return {};
  status["observedGeneration"] = turn->job().generation;
  return PutStatus(turn, DumpJson(status));
}

Status Reconciler::PutStatus(Turn* turn, const std::string& status_json) {
  PJ_ASSIGN(Json status, ParseJson(status_json, "status"));
  kube::Meta meta = turn->job().meta;
  if (ledger::Planted(ledger::Plant::kStatusOfOldUid)) {
    PJ_ASSIGN(const std::string now, turn->writer.Get(kube::ParallelJobs(), meta.ns, meta.name));
    PJ_ASSIGN(meta, kube::DecodeMeta(now));
  }
  const Json body{{"apiVersion", api::kApiVersion},
                  {"kind", api::kKind},
                  {"metadata",
                   {{"name", meta.name},
                    {"namespace", meta.ns},
                    {"uid", meta.uid},
                    {"resourceVersion", meta.resource_version}}},
                  {"status", std::move(status)}};
  PJ_TRY(turn->writer.UpdateStatus(kube::ParallelJobs(), meta.ns, meta.name, DumpJson(body)));
  turn->memory.status_written = turn->now();
  return {};
}

void Reconciler::RecallStanding(const JobWorld& world, JobStanding* standing) {
  const std::lock_guard lock(mutex_);
  if (!standing->state.empty()) return;
  const Result<Json> status = ParseJson(world.job.status_json, "status");
  if (!status || !status->is_object()) return;
  standing->state = status->value("state", "");
  const Json counts = status->value("miniBatches", Json::object());
  standing->mini_batches_failed = counts.value("failed", uint64_t{0});
  standing->mini_batches_done =
      counts.value("succeeded", uint64_t{0}) + counts.value("failed", uint64_t{0});
}

std::map<JobKey, JobStanding> Reconciler::Standing() const {
  const std::lock_guard lock(mutex_);
  std::map<JobKey, JobStanding> out;
  for (const auto& [key, memory] : memory_) out[key] = memory.standing;
  return out;
}

}  // namespace pj::op
