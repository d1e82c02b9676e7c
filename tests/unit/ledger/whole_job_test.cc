// Whole jobs in virtual time: completion, balance, resume, drain, abort, retries.
#include <gtest/gtest.h>

#include "tests/unit/ledger/farm.h"

namespace pj::ledger {
namespace {

uint64_t CheckAllDone(const TinyStore& store, uint64_t mini_batches) {
  uint64_t at = 0;
  uint64_t index_bytes = 0;
  for (const ShardRecord& shard : store.All()) {
    EXPECT_EQ(shard.lo, at);
    EXPECT_EQ(shard.Left(), 0U) << shard.lo;
    for (const OutputMark& mark : shard.outputs) index_bytes += mark.index;
    at = shard.hi;
  }
  EXPECT_EQ(at, mini_batches);
  EXPECT_EQ(index_bytes, mini_batches * 40);
  return index_bytes / 40;
}

TEST(WholeJob, EverythingIsDoneOnce) {
  TinyStore store;
  Farm farm({.mini_batches = 1000}, &store);
  const Nanos end = farm.Run();
  CheckAllDone(store, 1000);
  uint64_t runs = 0;
  for (const auto& worker : farm.agents) {
    EXPECT_EQ(worker->why, Finished::Why::kComplete);
    runs += worker->runs;
  }
  EXPECT_EQ(runs, 1000U);
  EXPECT_LT(end, Millis(400));  // ideal: 250 ms, and the last search
}

// Greedy bound: no schedule without knowledge of the future does better than giving each mini-batch
// to the first free slot.
TEST(WholeJob, SkewedWorkOnUnequalInstancesIsBalanced) {
  FarmOptions options;
  options.mini_batches = 8000;
  options.duration = [](uint64_t i, uint32_t instance) -> Nanos {
    const Nanos base = i < 4000 ? Nanos(Millis(1)) : Nanos(Millis(2));
    return instance == 1 ? base * 3 : base;
  };
  TinyStore store;
  Farm farm(options, &store);
  farm.Run();
  CheckAllDone(store, options.mini_batches);
  std::multimap<Nanos, uint32_t> free;
  for (uint32_t i = 0; i < 2; ++i) {
    for (uint32_t s = 0; s < options.slots; ++s) free.emplace(Nanos(0), i);
  }
  Nanos bound{0};
  for (uint64_t m = 0; m < options.mini_batches; ++m) {
    const auto [at, instance] = *free.begin();
    free.erase(free.begin());
    const Nanos end = at + options.duration(m, instance);
    bound = std::max(bound, end);
    free.emplace(end, instance);
  }
  const Nanos took = std::max(farm.agents[0]->last_end, farm.agents[1]->last_end);
  const double ratio = static_cast<double>(took.count()) / static_cast<double>(bound.count());
  EXPECT_LE(ratio, 1.02) << took.count() << " against " << bound.count();
}

TEST(WholeJob, ANewProgramResumesWhatTheOldOneLeft) {
  FarmOptions options;
  options.mini_batches = 2000;
  TinyStore store;
  Farm first(options, &store);
  first.Run(Millis(250));  // and it is gone, in the middle
  uint64_t before = 0;
  for (const ShardRecord& shard : store.All()) before += shard.DoneCount();
  EXPECT_GT(before, 100U);
  EXPECT_LT(before, 2000U);
  options.incarnation = "second";
  Farm second(options, &store);
  second.Run();
  CheckAllDone(store, 2000);
  uint64_t runs = 0;
  for (const auto& worker : second.agents) runs += worker->runs;
  EXPECT_EQ(runs, 2000 - before);
}

TEST(WholeJob, FailuresAreRetriedThenFailed) {
  FarmOptions options;
  options.mini_batches = 300;
  options.outcome = [](const Assignment& a) {
    const bool bad = a.mini_batch % 10 == 0 && (a.attempt == 1 || a.mini_batch % 20 == 0);
    return bad ? AttemptStatus::kRunException : AttemptStatus::kRunDone;
  };
  TinyStore store;
  Farm(options, &store).Run();
  CheckAllDone(store, 300);
  Counters sum;
  uint64_t errors = 0;
  for (const ShardRecord& shard : store.All()) {
    sum += shard.counters;
    for (const ErrorGroup& group : shard.errors) errors += group.count;
  }
  EXPECT_EQ(sum.mini_batches_failed, 15U);
  EXPECT_EQ(sum.items_ok, 285U);
  EXPECT_EQ(sum.items_failed, 15U);
  EXPECT_EQ(sum.retries, 15U * 2 + 15U);
  EXPECT_EQ(errors, 15U * 3 + 15U);
}

TEST(WholeJob, SlotsNeverWaitForCommitsAtOneMicrosecond) {
  FarmOptions options;
  options.mini_batches = 1'000'000;
  options.slots = 1;
  options.frame = 64;
  options.duration = [](uint64_t, uint32_t) { return Nanos(1000); };
  TinyStore store;
  Farm farm(options, &store);
  farm.Run();
  CheckAllDone(store, options.mini_batches);
  for (const auto& worker : farm.agents) {
    const double ratio =
        static_cast<double>(worker->last_end.count()) / static_cast<double>(worker->busy.count());
    EXPECT_LT(ratio, 1.05);
  }
}

}  // namespace
}  // namespace pj::ledger
