#include "operator/control.h"

#include <algorithm>
#include <map>

#include "ledger/plants.h"
#include "operator/children.h"
#include "operator/lost_workers.h"
#include "operator/tick_budget.h"

namespace pj::op {
namespace {

using Mode = ledger::Control::Mode;

constexpr size_t kHints = 8;

// A worker that lives and has fewer mini-batches left than slots. A shard's holder is the worker's
// name, which its Lease ends with.
bool SomeoneIdles(const Turn& turn) {
  const JobWorld& world = turn.world;
  const job::JobObjects objects = world.job.objects();
  std::map<std::string, uint64_t> left;  // by the Lease's name
  for (const ledger::ShardRecord& shard : world.shards) {
    left[objects.Name(shard.holder)] += shard.Left();
  }
  return std::any_of(world.leases.begin(), world.leases.end(), [&](const WorkerLeaseView& lease) {
    return !lease.holder.empty() && lease.state.environment_ready &&
           lease.state.lost_reason.empty() &&
           left[lease.meta.name] < std::max(1U, lease.state.slots) && !IsSilent(turn, lease);
  });
}

// What others could do of it. A held one keeps its first mini-batch: AgentCore takes none else.
uint64_t Stealable(const ledger::ShardRecord& shard) {
  if (shard.holder.empty()) return shard.Left();
  return shard.hi - std::clamp(shard.horizon, std::min(shard.lo + 1, shard.hi), shard.hi);
}

// Up to kHints shards for which `work` gives most; none for which it gives nothing.
template <class Work>
std::vector<uint64_t> MostOf(const JobWorld& world, const Work& work) {
  std::vector<std::pair<uint64_t, uint64_t>> found;  // (work, lo)
  for (const ledger::ShardRecord& shard : world.shards) {
    if (!shard.sealed && work(shard) > 0) found.emplace_back(work(shard), shard.lo);
  }
  const size_t count = std::min(found.size(), kHints);
  std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(count), found.end(),
                    [](const auto& a, const auto& b) {
                      return a.first != b.first ? a.first > b.first : a.second < b.second;
                    });
  std::vector<uint64_t> out;
  for (size_t i = 0; i < count; ++i) out.push_back(found[i].second);
  return out;
}

// The shards with the most work that could be taken: where an idle worker should look.
void AddHints(const JobWorld& world, ledger::Control* control) {
  control->hints = MostOf(world, Stealable);
  control->retract.clear();
  if (!control->hints.empty()) return;
  // Nothing lies beyond any horizon: slow owners should lower theirs.
  control->retract = MostOf(world, [](const ledger::ShardRecord& shard) { return shard.Left(); });
}

bool OnlyHintsDiffer(ledger::Control wanted, const ledger::Control& is) {
  wanted.hints = is.hints;
  wanted.retract = is.retract;
  return wanted == is;
}

// Hints follow the shards, which change all the time, and each write wakes every agent: one a tick.
bool MayHint(Turn* turn, Nanos tick) {
  const Nanos due = turn->memory.hints_written.value_or(turn->now() - tick) + tick;
  if (turn->now() < due) {
    turn->WakeIn(due - turn->now());
    return false;
  }
  turn->memory.hints_written = turn->now();
  return true;
}

}  // namespace

ledger::Control WantedControl(const Turn& turn, const Decision& decision) {
  const JobWorld& world = turn.world;
  ledger::Control control = world.control.value_or(ledger::Control{});
  if (world.control && control.mode == Mode::kAbort) return control;
  control.tick = turn.options.tick > Nanos(0)
                     ? turn.options.tick
                     : TickFor(turn.spec().instance_count.value, turn.all_pods,
                               turn.options.cluster_writes_per_second);
  if (decision.Failed()) {
    control.mode = Mode::kAbort;
    control.reason = policy::AbortReason(decision.verdict);
  } else {
    control.mode = decision.suspended ? Mode::kDrain : Mode::kRun;
    control.reason = decision.suspended ? "suspended" : "";
  }
  if (control.mode != Mode::kRun) return control;
  if (SomeoneIdles(turn)) {
    AddHints(world, &control);
  } else {
    control.retract.clear();
  }
  return control;
}

Status EnsureControl(Turn* turn, const Decision& decision) {
  const JobWorld& world = turn->world;
  if (world.result) return {};
  const ledger::Control wanted = WantedControl(*turn, decision);
  const bool draining = wanted.mode == Mode::kDrain;
  if (!draining) turn->memory.draining_since.reset();
  if (draining && !turn->memory.draining_since) turn->memory.draining_since = turn->now();
  if (!world.control) {
    const std::string name = world.job.objects().Name("ctl");
    const bool damaged = std::find(world.maps.begin(), world.maps.end(), name) != world.maps.end();
    if (damaged) return {};
    const Child map = ControlMap(world.job, wanted);
    PJ_ASSIGN(turn->first, turn->writer.Create(map.type, world.job.meta.ns, map.body));
    return {};
  }
  if (wanted == *world.control) return {};
  if (OnlyHintsDiffer(wanted, *world.control) && !MayHint(turn, wanted.tick)) return {};
  kube::ConfigMap map = job::EncodeControlMap(world.job.objects(), wanted);
  map.meta.resource_version = world.control_version;
  if (ledger::Planted(ledger::Plant::kControlUnconditional)) map.meta.resource_version.clear();
  return turn->writer.Update(kube::ConfigMaps(), map.meta.ns, map.meta.name, kube::Encode(map));
}

}  // namespace pj::op
