#include "tests/sim/cluster/scenario.h"

#include <algorithm>

namespace pj::sim {
namespace {

// Calls last so long that the job fills a good part of the chaos, and ends soon after it.
void DrawLengths(Rng* rng, ClusterScenario* s) {
  Workload& work = s->work;
  const int64_t whole = 5'000'000'000 + static_cast<int64_t>(rng->Below(115'000'000'000));
  const auto count = static_cast<int64_t>(work.shape.mini_batches);
  work.longest_run = Nanos(std::clamp<int64_t>(2 * whole / count, 1'000'000, 20'000'000'000));
  if (work.slow_from != UINT64_MAX) work.longest_run = std::max(work.longest_run / 40, Nanos(1000));
}

}  // namespace

ClusterScenario DrawCluster(uint64_t seed) {
  Rng rng(seed * 0x9E3779B97F4A7C15ULL + 29);
  ClusterScenario s;
  s.seed = seed;
  DrawSize(&rng, &s.work);
  DrawFates(&rng, &s.work);
  DrawLengths(&rng, &s);
  s.operators = 1 + static_cast<int>(rng.Below(2));
  if (rng.Below(4) == 0) {
    s.poison = rng.Below(2) == 0 ? ClusterScenario::Poison::kInvalidSpec
                                 : ClusterScenario::Poison::kDamagedLedger;
  }
  s.chaos = Seconds(20) + Nanos(static_cast<int64_t>(rng.Below(130'000'000'000)));
  if (rng.Below(8) == 0) return s;  // nothing goes wrong
  const auto often = [&](int64_t mean_seconds) {
    return rng.Below(2) == 0 ? Nanos(0) : Nanos(Seconds(mean_seconds));
  };
  // Agents die, but the network is well: then nobody who lives is taken for dead.
  s.fault = rng.Below(4) == 0 ? 0 : 0.02 + 0.2 * rng.Unit();
  s.agent_crash = rng.Below(2) == 0 ? 0 : 0.03 * rng.Unit();
  s.operator_crash = rng.Below(2) == 0 ? 0 : 0.2 * rng.Unit();
  s.operator_pause = rng.Below(2) == 0 ? 0 : 0.05 * rng.Unit();
  if (s.operator_pause > 0) s.operators = 2;
  s.longest_lag = Nanos(static_cast<int64_t>(rng.Below(rng.Below(2) == 0 ? 50'000'000 : 8e9)));
  s.work.host_death = rng.Below(3) == 0 ? 0.1 * rng.Unit() : 0;
  s.suspends = often(40);
  s.scales = often(30);
  s.recreates = rng.Below(4) == 0 ? Nanos(Seconds(60)) : Nanos(0);
  s.pod_kills = often(30);
  s.node_losses = rng.Below(3) == 0 ? Nanos(Seconds(60)) : Nanos(0);
  s.freezes = often(15);
  s.operator_kills = often(40);
  s.compactions = often(20);
  s.hand_deletes = rng.Below(4) == 0 ? Nanos(Seconds(50)) : Nanos(0);
  s.dead_watch = rng.Below(3) == 0 ? 0.001 : 0;
  return s;
}

ClusterScenario DrawHangs(uint64_t seed) {
  ClusterScenario s = DrawCluster(seed);
  s.operators = 2;
  s.operator_pause = 0.05;
  s.scales = Seconds(6);
  s.suspends = Nanos(0);
  s.chaos = std::max(s.chaos, Nanos(Seconds(120)));
  s.poison = ClusterScenario::Poison::kNone;
  s.fault = s.operator_crash = s.dead_watch = 0;
  s.operator_kills = s.recreates = s.hand_deletes = Nanos(0);
  s.longest_lag = std::min(s.longest_lag, Nanos(Millis(50)));
  return s;
}

ClusterScenario DrawTail(uint64_t seed) {
  Rng rng(seed * 0x9E3779B97F4A7C15ULL + 31);
  ClusterScenario s;
  s.seed = seed;
  s.work.instances = 2 + static_cast<uint32_t>(rng.Below(3));
  s.work.slots = 1 + static_cast<uint32_t>(rng.Below(2));
  s.work.frame = 6 + static_cast<uint32_t>(rng.Below(5));
  s.work.shape.mini_batches = 12 + rng.Below(20);
  s.work.shape.roots = 1;
  s.work.longest_run = Seconds(15) + Nanos(static_cast<int64_t>(rng.Below(15'000'000'000)));
  s.chaos = Seconds(20);
  return s;
}

}  // namespace pj::sim
