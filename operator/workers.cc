#include "operator/workers.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "ledger/plants.h"
#include "operator/children.h"
#include "operator/claims.h"
#include "operator/kinds.h"
#include "operator/lost_workers.h"
#include "operator/rights.h"

namespace pj::op {
namespace {

constexpr Nanos kStragglers = Seconds(60);
constexpr Nanos kPermissionsAgain = Seconds(15);

Status Create(Turn* turn, const Child& child) {
  PJ_ASSIGN(const bool made, turn->writer.Create(child.type, turn->job().meta.ns, child.body));
  if (made) {
    PJ_INFO("created {} {}", child.type.kind, child.name);
  }
  return {};
}

Status CreateAll(Turn* turn, const std::vector<Child>& children) {
  for (const Child& child : children) PJ_TRY(Create(turn, child));
  return {};
}

// Nobody watches account, Role and RoleBinding. They are made in an operator's first turn, and when
// workers fall silent: that may be because somebody deleted what lets them speak. Those of a
// suspended job have no Lease.
bool PermissionsAreDue(Turn* turn, bool suspended) {
  const std::optional<Nanos>& made = turn->memory.permissions_made;
  if (!made) return true;
  return !suspended && AnyWorkerIsSilent(turn) && turn->now() - *made >= kPermissionsAgain;
}

Status EnsureManifest(Turn* turn) {
  const auto& maps = turn->world.maps;
  const std::string name = turn->job().objects().Name("job");
  if (std::find(maps.begin(), maps.end(), name) != maps.end()) return {};
  return Create(turn, ManifestMap(turn->job()));  // costs more than all the rest of a turn
}

// Asked of the server itself: the cache of ConfigMaps may be behind that of Jobs, and a Job is over
// just because its pods have read the result. Before the first Job, nobody can have written one.
Result<bool> ResultIsThere(Turn* turn) {
  const job::JobObjects objects = turn->job().objects();
  if (turn->first && turn->world.jobs.empty()) return false;
  if (ledger::Planted(ledger::Plant::kJobDespiteResult)) return false;
  const Result<std::string> result =
      turn->writer.Get(kube::ConfigMaps(), objects.ns, objects.Name("result"));
  if (result) return true;
  if (result.error().code == Code::kNotFound) return false;
  return std::unexpected(result.error());
}

// The next generation of the workers' Job; the first one is 0. With a `result`, none; and none
// before its claims are there: how its pods are placed cannot be changed later.
Status CreateGeneration(Turn* turn, int generation, const Scale& scale) {
  const Claims& claims = *turn->memory.claims;
  if (claims.missing) return {};
  PJ_ASSIGN(const bool over, ResultIsThere(turn));
  if (over) return {};
  const Placement placement = claims.one_node ? Placement::kOneNode : Placement::kAnyNode;
  return Create(turn, WorkerJob(turn->job(), generation, scale, turn->options, placement));
}

// The Job's own copy with another scale. Kubernetes lets an Indexed Job change its completions only
// together with, and to, its parallelism: none wanted leaves them alone.
Status Rescale(Turn* turn, const WorkerJobView& job, const Scale& scale) {
  PJ_ASSIGN(const std::string stored, turn->writer.Get(Jobs(), job.meta.ns, job.meta.name));
  PJ_ASSIGN(Json body, ParseJson(stored, job.meta.name));
  // Decided on that version: who comes late writes over nobody's newer decision.
  if (!ledger::Planted(ledger::Plant::kScaleUnconditional)) {
    body["metadata"]["resourceVersion"] = job.meta.resource_version;
  }
  Json& spec = body["spec"];
  spec["parallelism"] = scale.parallelism;
  spec["completions"] = scale.completions;
  spec["suspend"] = scale.suspended;
  PJ_INFO("{} workers{}", scale.parallelism, scale.suspended ? ", suspended" : "");
  return turn->writer.Update(Jobs(), job.meta.ns, job.meta.name, DumpJson(body));
}

Status AdjustScale(Turn* turn, const WorkerJobView& job, Scale wanted) {
  if (QueueOwnsJob(turn->job()) || job.terminal) return {};
  if (wanted.parallelism == 0) wanted.completions = job.completions;
  const Scale is{job.parallelism, job.completions, job.suspended};
  if (is == wanted) return {};
  return Rescale(turn, job, wanted);
}

Status EnsureJob(Turn* turn, const Decision& decision) {
  int generation = 0;
  const WorkerJobView* job = CurrentJob(turn->world, &generation);
  const Scale scale = ScaleOf(turn->job(), decision.suspended && Drained(*turn));
  // A queue would admit a new Job, suspended or not, and start its pods.
  const bool none = job == nullptr || job->terminal;
  if (none && decision.suspended && QueueOwnsJob(turn->job())) return {};
  if (decision.suspended && !scale.suspended) {
    turn->WakeIn(turn->options.drain_grace);
    // Running pods drain first; a Job that is not there yet starts suspended (it has no pods).
    if (job != nullptr) return AdjustScale(turn, *job, {job->parallelism, job->completions, false});
  }
  if (job == nullptr) {
    // Nobody starts workers for a job whose end is decided: the finaliser does what is left; and
    // none for one that they could not get on with.
    if (decision.Decided() || decision.Stalled()) return {};
    if (ledger::Planted(ledger::Plant::kJobNotRestarted) && turn->world.plan) return {};
    return CreateGeneration(turn, 0, scale);
  }
  if (job->terminal && !job->deleting && !decision.Decided() && !decision.Stalled()) {
    PJ_WARN("{} is over without a result ({}): starting it again", job->meta.name, job->failure);
    return CreateGeneration(turn, generation + 1, scale);
  }
  // There is nothing left to start pods for.
  if (decision.Decided() && (job->suspended || job->parallelism <= scale.parallelism)) return {};
  return AdjustScale(turn, *job, scale);
}

}  // namespace

const WorkerJobView* CurrentJob(const JobWorld& world, int* generation) {
  const WorkerJobView* current = nullptr;
  for (const WorkerJobView& job : world.jobs) {
    const std::optional<int> number = GenerationOf(world.job, job.meta.name);
    if (!number || (current != nullptr && *number < *generation)) continue;
    current = &job;
    *generation = *number;
  }
  return current;
}

bool AnyWorkerLives(const JobWorld& world) {
  return std::any_of(world.pods.begin(), world.pods.end(), [](const WorkerPodView& pod) {
    return pod.phase == "Running" && !pod.deletion;
  });
}

bool Drained(const Turn& turn) {
  const JobWorld& world = turn.world;
  const auto released = [](const ledger::ShardRecord& shard) {
    return shard.holder.empty() || shard.sealed || shard.Left() == 0;
  };
  const bool pods_gone = std::all_of(world.pods.begin(), world.pods.end(),
                                     [](const WorkerPodView& pod) { return pod.Ended(); });
  const bool told = world.control && world.control->mode == ledger::Control::Mode::kDrain;
  if (pods_gone) return true;
  if (!told || !turn.memory.draining_since) return false;
  if (turn.now() - *turn.memory.draining_since >= turn.options.drain_grace) return true;
  return world.plan && std::all_of(world.shards.begin(), world.shards.end(), released);
}

// Pods are not even made without their account, and take longer to start than all the rest.
Status EnsureFirstThings(Turn* turn, const Decision& decision) {
  PJ_TRY(CreateAll(turn, Accounts(turn->job())));
  PJ_TRY(LookAtClaims(turn));
  return EnsureJob(turn, decision);
}

Status EnsureWorkers(Turn* turn, const Decision& decision) {
  if (turn->world.result) return {};
  const bool due = PermissionsAreDue(turn, decision.suspended);
  const Status accounts = due ? CreateAll(turn, Accounts(turn->job())) : Status();
  // A quota refuses even what is there already: no reason not to scale or suspend a Job that is.
  if (!accounts && (turn->world.jobs.empty() || !IsRefusal(accounts.error()))) return accounts;
  PJ_TRY(LookAtClaims(turn));
  PJ_TRY(EnsureJob(turn, decision));
  PJ_TRY(EnsureManifest(turn));
  PJ_TRY(accounts);
  if (!due) return {};
  PJ_TRY(EnsureRights(turn));
  turn->memory.permissions_made = turn->now();
  return {};
}

Status StopStragglers(Turn* turn) {
  const JobWorld& world = turn->world;
  if (!world.result) return {};
  if (!turn->memory.result_since) turn->memory.result_since = turn->now();
  const bool left = std::any_of(world.pods.begin(), world.pods.end(),
                                [](const WorkerPodView& pod) { return !pod.Ended(); });
  if (!left) return {};
  const Nanos waited = turn->now() - *turn->memory.result_since;
  if (waited < kStragglers) {
    turn->WakeIn(kStragglers - waited);
    return {};
  }
  for (const WorkerJobView& job : world.jobs) {
    if (job.suspended || job.terminal || job.deleting) continue;
    if (QueueOwnsJob(turn->job()) && GenerationOf(turn->job(), job.meta.name)) {
      // Its `suspend` is the queue's: who writes it would be overruled. The Job itself is ours.
      PJ_INFO("removing {}: pods are left after the end", job.meta.name);
      PJ_TRY(turn->writer.Delete(Jobs(), job.meta.ns, job.meta.name, job.meta.uid));
      continue;
    }
    PJ_TRY(Rescale(turn, job, {job.parallelism, job.completions, true}));
  }
  return {};
}

}  // namespace pj::op
