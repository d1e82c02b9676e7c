// Retries, careful mode, drains, aborts and stalls (rules 8, 9, 12), one by one.
#include <gtest/gtest.h>

#include "tests/unit/ledger/rules_fixture.h"

namespace pj::ledger {
namespace {

TEST_F(Rules, RetriesAreLocalAndLimited) {
  Own();
  const auto first = Take(2);
  EXPECT_FALSE(first[0].last_attempt);
  EXPECT_EQ(Finish(first[0], AttemptStatus::kRunException), Verdict::kRetry);
  EXPECT_EQ(Finish(first[0]), Verdict::kStale);  // an answer of the older attempt
  const auto again = Take(1);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].mini_batch, first[0].mini_batch);
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_TRUE(again[0].last_attempt);
  EXPECT_TRUE(again[0].fresh_process);
  EXPECT_EQ(Finish(again[0], AttemptStatus::kRunException), Verdict::kFailed);
  Tick();
  const ShardRecord shard = store.Read(Name(0));
  EXPECT_TRUE(shard.failed.Contains(0));
  EXPECT_EQ(shard.counters.mini_batches_failed, 1U);
  EXPECT_EQ(shard.counters.items_failed, 4U);
  EXPECT_EQ(shard.counters.retries, 1U);
  ASSERT_EQ(shard.errors.size(), 1U);
  EXPECT_EQ(shard.errors[0].count, 2U);
}

TEST_F(Rules, AShortReturnKeepsItsRowsAndNeedsNoFreshProcess) {
  Own();
  const auto first = Take(1);
  EXPECT_EQ(Finish(first[0], AttemptStatus::kRunShort), Verdict::kRetry);
  const auto again = Take(1);
  EXPECT_FALSE(again[0].fresh_process);
  EXPECT_EQ(Finish(again[0], AttemptStatus::kRunShort), Verdict::kFailed);
  Tick();
  EXPECT_EQ(store.Read(Name(0)).counters.items_ok, 3U);
  EXPECT_EQ(store.Read(Name(0)).counters.items_failed, 1U);
}

TEST_F(Rules, GivenBackIsUncharged) {
  Own();
  const auto given = Take(2);
  core->GiveBack(given[0], now);
  EXPECT_EQ(core->Running(), 1U);
  const auto again = Take(1);
  EXPECT_EQ(again[0].mini_batch, given[0].mini_batch);
  EXPECT_EQ(again[0].attempt, 1U);
}

TEST_F(Rules, ADeadHostChargesNobodyAndSuspectsRunAlone) {
  Own();
  const auto given = Take(2);
  Step(SlotHostDied{});
  EXPECT_EQ(Finish(given[0]), Verdict::kStale);
  EXPECT_TRUE(Take(5).empty());  // not before its name is committed
  Settle();
  const ShardRecord named = store.Read(Name(0));
  ASSERT_EQ(named.alone.size(), 1U);
  const auto alone = Take(5);
  ASSERT_EQ(alone.size(), 1U);
  EXPECT_TRUE(alone[0].alone);
  EXPECT_EQ(alone[0].attempt, 1U);
  EXPECT_EQ(alone[0].mini_batch, named.alone[0].mini_batch);
  EXPECT_TRUE(Take(5).empty());
  // It kills again: now it is charged, and the next attempt is alone too.
  EXPECT_EQ(Finish(alone[0], AttemptStatus::kProcessDied), Verdict::kRetry);
  Step(SlotHostDied{});
  Settle();
  const auto last = Take(5);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_TRUE(last[0].alone);
  EXPECT_TRUE(last[0].last_attempt);
  EXPECT_EQ(Finish(last[0], AttemptStatus::kProcessDied), Verdict::kFailed);
  Step(SlotHostDied{});
  Settle();
  const auto innocent = Take(5);
  ASSERT_EQ(innocent.size(), 1U);
  EXPECT_EQ(innocent[0].mini_batch, given[1].mini_batch);
  EXPECT_EQ(Finish(innocent[0]), Verdict::kSucceeded);
  Tick();
  EXPECT_GT(Take(5).size(), 0U);
  EXPECT_EQ(store.Read(Name(0)).counters.infrastructure_losses, 2U);
  EXPECT_EQ(store.Read(Name(0)).counters.mini_batches_failed, 1U);
}

TEST_F(Rules, ThreeBarrenEpochsBringCarefulModeInACluster) {
  Make({.local = false});
  ShardRecord old = Foreign(0, 100, "first");
  old.holder = "instance-0";
  old.horizon = 3;
  old.barren_epochs = 2;
  Plant(old);
  Own();
  EXPECT_EQ(store.Read(Name(0)).barren_epochs, 3U);
  for (int i = 0; i < 3; ++i) {
    Settle();
    const auto given = Take(5);
    ASSERT_EQ(given.size(), 1U);
    EXPECT_TRUE(given[0].alone);
    Finish(given[0]);
    Poll();
  }
  Tick();
  EXPECT_EQ(store.Read(Name(0)).barren_epochs, 0U);
  for (const Assignment& a : Take(5)) EXPECT_FALSE(a.alone);
}

TEST_F(Rules, ADrainLetsCallsFinishCommitsAndReleases) {
  Own();
  const auto given = Take(2);
  Step(ControlChanged{{.mode = Control::Mode::kDrain}});
  EXPECT_TRUE(Take(5).empty());
  EXPECT_EQ(Finish(given[0], AttemptStatus::kRunException), Verdict::kRetry);
  Poll();
  Settle();
  EXPECT_FALSE(finished.has_value());
  EXPECT_EQ(Finish(given[1]), Verdict::kSucceeded);
  Poll();
  Settle();
  EXPECT_EQ(finished, Finished::Why::kDrained);
  const ShardRecord shard = store.Read(Name(0));
  EXPECT_TRUE(shard.holder.empty());
  EXPECT_EQ(shard.epoch, 1U);
  EXPECT_TRUE(shard.IsDone(1));
  EXPECT_EQ(shard.attempts, (std::map<uint64_t, uint32_t>{{0, 1}}));
  EXPECT_FALSE(shard.sealed);
}

TEST_F(Rules, AnAbortDoesNotWaitForCalls) {
  Own();
  const auto given = Take(2);
  Finish(given[0]);
  Step(ControlChanged{{.mode = Control::Mode::kAbort}});
  Settle();
  EXPECT_EQ(finished, Finished::Why::kAborted);
  EXPECT_EQ(Finish(given[1]), Verdict::kStale);
  EXPECT_TRUE(store.Read(Name(0)).IsDone(0));
}

TEST_F(Rules, ASealedShardFences) {
  Own();
  const auto given = Take(2);
  Change(0, [](ShardRecord* r) {
    r->sealed = true;
    ++r->epoch;
  });
  Finish(given[0]);
  Tick();
  EXPECT_EQ(finished, Finished::Why::kAborted);
  EXPECT_EQ(store.Read(Name(0)).DoneCount(), 0U);
}

TEST_F(Rules, ADeletedShardStalls) {
  Own();
  Finish(Take(1)[0]);
  store.objects.clear();
  Tick();
  ASSERT_TRUE(stalled.has_value());
  EXPECT_TRUE(stalled->message.starts_with("LedgerCorrupt"));
}

TEST_F(Rules, RunningCallsRaiseProgress) {
  Own();
  Take(2);
  Tick();
  for (int i = 0; i < 6; ++i) {
    core->NoteRunning(2);
    Tick();
  }
  Tick();
  Tick();
  const uint64_t progress = store.Read(Name(0)).progress;
  EXPECT_GE(progress, 3U);
  for (int i = 0; i < 6; ++i) Tick();
  EXPECT_EQ(store.Read(Name(0)).progress, progress);  // a hang does not
}

TEST_F(Rules, CopiesGoTheirOwnWays) {
  Own();
  AgentCore copy = *core;
  EXPECT_EQ(Take(2).size(), 2U);
  EXPECT_EQ(core->Running(), 2U);
  EXPECT_EQ(copy.Running(), 0U);
}

}  // namespace
}  // namespace pj::ledger
