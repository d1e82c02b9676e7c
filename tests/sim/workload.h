// Workload: what a seed decides of one job: its mini-batches, what becomes of each, and where they
// run.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/rng.h"
#include "policy/verdict.h"
#include "tests/sim/checker.h"

namespace pj::sim {

struct Workload {
  uint32_t instances = 1;
  uint32_t slots = 1;
  uint32_t frame = 1;  // mini-batches that a slot has at once
  JobShape shape;
  policy::Thresholds thresholds;
  double host_death = 0;             // chance that a call takes its slot host with it
  std::set<uint64_t> poison;         // kill their slot host whenever they run
  std::map<uint64_t, uint32_t> bad;  // mini-batch → attempts that fail
  Nanos longest_run{0};
  uint64_t slow_from = UINT64_MAX;  // from here on calls take 40 times as long
  double large_rows = 0;            // chance that a result asks for a commit before the tick
};

// Draws the size of a job and the fate of each of its mini-batches.
void DrawSize(Rng* rng, Workload* work);
void DrawFates(Rng* rng, Workload* work);

}  // namespace pj::sim
