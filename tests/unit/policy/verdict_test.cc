// Thresholds, clocks, sums and messages of the verdict.
#include "policy/verdict.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace pj::policy {
namespace {

using ledger::ErrorGroup;
using ledger::ShardRecord;

ShardRecord Shard(uint64_t lo, uint64_t hi, uint64_t done) {
  ShardRecord shard;
  shard.lo = lo;
  shard.hi = hi;
  shard.horizon = hi;
  shard.low_water = lo + done;
  return shard;
}

Sums WithFailures(uint64_t mini_batches, uint64_t items) {
  Sums sums;
  sums.total = 100;
  sums.done = 50;
  sums.anything_started = true;
  sums.counters.mini_batches_failed = mini_batches;
  sums.counters.items_failed = items;
  sums.counters.items_ok = 1;
  return sums;
}

JobState StateOf(const Thresholds& thresholds, const Sums& sums) {
  return Watchdog(thresholds, Nanos(0)).Judge(sums, true, false, Nanos(0)).state;
}

TEST(Thresholds, MoreThanTheThresholdFails) {
  const Thresholds five{.mini_batch_error_threshold = 5};
  EXPECT_EQ(StateOf(five, WithFailures(5, 0)), JobState::kRunning);
  EXPECT_EQ(StateOf(five, WithFailures(6, 0)), JobState::kFailed);
  const Thresholds items{.error_threshold = 5};
  EXPECT_EQ(StateOf(items, WithFailures(0, 5)), JobState::kRunning);
  EXPECT_EQ(StateOf(items, WithFailures(0, 6)), JobState::kFailed);
}

TEST(Thresholds, ZeroMeansNoneAndMinusOneIgnoresAll) {
  EXPECT_EQ(StateOf({.mini_batch_error_threshold = 0}, WithFailures(0, 0)), JobState::kRunning);
  EXPECT_EQ(StateOf({.mini_batch_error_threshold = 0}, WithFailures(1, 0)), JobState::kFailed);
  EXPECT_EQ(StateOf({}, WithFailures(50, 5000)), JobState::kRunning);
}

TEST(Thresholds, PercentIsOfAllPlannedMiniBatches) {
  const Thresholds ten{.allowed_failed_percent = 10};
  EXPECT_EQ(StateOf(ten, WithFailures(10, 0)), JobState::kRunning);
  EXPECT_EQ(StateOf(ten, WithFailures(11, 0)), JobState::kFailed);
  EXPECT_EQ(StateOf({.allowed_failed_percent = 0}, WithFailures(1, 0)), JobState::kFailed);
  Sums third = WithFailures(1, 0);
  third.total = 3;
  third.done = 1;
  EXPECT_EQ(StateOf({.allowed_failed_percent = 33}, third), JobState::kFailed);  // 33.3 %
  EXPECT_EQ(StateOf({.allowed_failed_percent = 34}, third), JobState::kRunning);
}

TEST(Thresholds, TheReasonNamesTheSetting) {
  EXPECT_EQ(FinalVerdict(WithFailures(1, 1), {.mini_batch_error_threshold = 0}).reason,
            "MiniBatchErrorThresholdExceeded");
  EXPECT_EQ(FinalVerdict(WithFailures(1, 1), {.error_threshold = 0}).reason,
            "ErrorThresholdExceeded");
  EXPECT_EQ(FinalVerdict(WithFailures(1, 1), {.allowed_failed_percent = 0}).reason,
            "AllowedFailedPercentExceeded");
}

TEST(Completion, AllTerminalIsCompleteWhateverFailedWithinTheThresholds) {
  Sums sums = WithFailures(3, 3);
  sums.done = 100;
  EXPECT_EQ(FinalVerdict(sums, {}).state, JobState::kComplete);
  EXPECT_EQ(FinalVerdict(sums, {.mini_batch_error_threshold = 2}).state, JobState::kFailed);
}

TEST(Completion, AppendJobsNeedOneItemThatSucceeded) {
  Sums sums = WithFailures(100, 100);
  sums.done = 100;
  sums.counters.items_ok = 0;
  EXPECT_EQ(FinalVerdict(sums, {.append_row = false}).state, JobState::kComplete);
  const Verdict verdict = FinalVerdict(sums, {.append_row = true});
  EXPECT_EQ(verdict.state, JobState::kFailed);
  EXPECT_EQ(verdict.reason, "NoItemSucceeded");
}

TEST(Completion, AnUnfinishedSealedLedgerDecidesNothing) {
  EXPECT_EQ(FinalVerdict(WithFailures(1, 1), {}).state, JobState::kRunning);
}

class Clocks : public testing::Test {
 protected:
  Verdict At(int64_t second, bool ready = true, bool paused = false) {
    return watchdog.Judge(sums, ready, paused, Seconds(second));
  }
  Sums sums = Sum({}, 10);
  Watchdog watchdog{{.progress_timeout = Seconds(60), .first_task_timeout = Seconds(30)}, Nanos(0)};
};

TEST_F(Clocks, FirstTaskCountsFromTheReadyEnvironment) {
  EXPECT_EQ(At(1000, /*ready=*/false).state, JobState::kRunning);
  EXPECT_EQ(At(1001).state, JobState::kRunning);
  EXPECT_EQ(At(1031).state, JobState::kRunning);
  const Verdict late = At(1032);
  EXPECT_EQ(late.reason, "FirstTaskCreationTimeout");
  EXPECT_NE(late.message.find("30"), std::string::npos);
}

TEST_F(Clocks, FirstTaskStopsOnceSomethingStarted) {
  At(0);
  sums.anything_started = true;
  sums.progress = 1;
  EXPECT_EQ(At(29).state, JobState::kRunning);
  EXPECT_EQ(At(60).state, JobState::kRunning);
}

TEST_F(Clocks, ProgressTimeout) {
  sums.anything_started = true;
  At(0);
  sums.progress = 5;
  At(50);
  EXPECT_EQ(At(110).state, JobState::kRunning);
  EXPECT_EQ(At(111).reason, "ProgressTimeout");
}

TEST_F(Clocks, DoneCountsAsProgressToo) {
  sums.anything_started = true;
  At(0);
  sums.done = 1;
  At(59);
  EXPECT_EQ(At(118).state, JobState::kRunning);
}

TEST_F(Clocks, APauseStopsBoth) {
  At(0);
  At(20);
  for (int64_t second = 21; second <= 500; ++second) {
    ASSERT_EQ(At(second, true, /*paused=*/true).state, JobState::kRunning);
  }
  EXPECT_EQ(At(510).state, JobState::kRunning);  // 20 + 10 counted
  EXPECT_EQ(At(511).reason, "FirstTaskCreationTimeout");
}

TEST_F(Clocks, ZeroTurnsAClockOff) {
  Watchdog off({}, Nanos(0));
  EXPECT_EQ(off.Judge(sums, true, false, Nanos(0)).state, JobState::kRunning);
  EXPECT_EQ(off.Judge(sums, true, false, Seconds(1'000'000)).state, JobState::kRunning);
}

TEST(Sums, AddUpShards) {
  std::vector<ShardRecord> shards{Shard(0, 10, 4), Shard(10, 20, 10)};
  shards[0].done_above.Add(6);
  shards[0].counters.items_ok = 5;
  shards[1].counters.items_ok = 7;
  shards[1].progress = 3;
  const Sums sums = Sum(shards, 20);
  EXPECT_EQ(sums.total, 20U);
  EXPECT_EQ(sums.done, 15U);
  EXPECT_EQ(sums.counters.items_ok, 12U);
  EXPECT_EQ(sums.progress, 3U);
  EXPECT_TRUE(sums.anything_started);
  EXPECT_FALSE(Sum({Shard(0, 10, 0)}, 20).anything_started);
}

TEST(Sums, ErrorGroupsMergeAndTheMostFrequentComesFirst) {
  std::vector<ShardRecord> shards{Shard(0, 10, 4), Shard(10, 20, 10)};
  shards[0].errors = {{1, 2, {3, 5}, "A", "a.log"}, {2, 3, {4}, "B", "b.log"}};
  shards[1].errors = {{1, 4, {12, 13, 14, 15}, "A", "other.log"}};
  const Sums sums = Sum(shards, 20);
  ASSERT_EQ(sums.errors.size(), 2U);
  EXPECT_EQ(sums.errors[0].hash, 1U);
  EXPECT_EQ(sums.errors[0].count, 6U);
  EXPECT_EQ(sums.errors[0].first_ids, (std::vector<uint64_t>{3, 5, 12, 13, 14}));
  EXPECT_EQ(sums.errors[0].log, "a.log");
  EXPECT_EQ(sums.errors[1].count, 3U);
}

TEST(Messages, CauseCountsIdsAndLogInOneLine) {
  Sums sums = WithFailures(6, 0);
  sums.errors = {{1, 12, {3, 7, 9}, "ValueError: bad\nrow", "logs/user/error/p1.txt"},
                 {2, 1, {8}, "KeyError: 'x'", ""}};
  const Verdict verdict = FinalVerdict(sums, {.mini_batch_error_threshold = 5});
  EXPECT_EQ(
      verdict.message,
      "6 mini-batches failed, more than miniBatchErrorThreshold 5 allows: ValueError: bad row "
      "(12 attempts; mini-batches 3, 7, 9; log: logs/user/error/p1.txt); KeyError: 'x' (1 "
      "attempt; mini-batch 8)");
}

TEST(Messages, AreBounded) {
  Sums sums = WithFailures(6, 0);
  for (uint64_t i = 0; i < 20; ++i) {
    sums.errors.push_back({i, 1, {i}, std::string(3000, 'x'), std::string(3000, 'y')});
  }
  const Verdict verdict = FinalVerdict(sums, {.mini_batch_error_threshold = 5});
  EXPECT_LE(verdict.message.size(), limits::kMessageBytes);
  EXPECT_TRUE(verdict.message.starts_with("6 mini-batches failed"));
}

TEST(Verdict, ADeadlineIsExceededOnlyWhenItHasPassed) {
  EXPECT_EQ(JudgeCancel(false).state, JobState::kRunning);
  EXPECT_EQ(JudgeCancel(true).reason, "Cancelled");
  EXPECT_EQ(JudgeDeadline(Seconds(100), std::nullopt).state, JobState::kRunning);
  EXPECT_EQ(JudgeDeadline(Seconds(10), Seconds(10)).state, JobState::kRunning);
  const Verdict late = JudgeDeadline(Seconds(10) + Nanos(1), Seconds(10));
  EXPECT_EQ(late.reason, "DeadlineExceeded");
  EXPECT_NE(late.message.find("10 s"), std::string::npos);
}

TEST(Verdict, WorkersFailAJobOnlyTogether) {
  const WorkerReport lost{.slots_lost = true, .reason = "InitFailed", .message = "why"};
  EXPECT_EQ(JudgeWorkers({}).state, JobState::kRunning);
  EXPECT_EQ(JudgeWorkers({lost, {}}).state, JobState::kRunning);
  EXPECT_EQ(JudgeWorkers({lost, lost}).reason, "InitFailed");
}

TEST(Verdict, AnAbortTellsItsVerdictAgain) {
  const Verdict verdict{JobState::kFailed, "ProgressTimeout", "nothing for 10 s: why"};
  const Verdict again = FromAbortReason(AbortReason(verdict));
  EXPECT_EQ(again.reason, verdict.reason);
  EXPECT_EQ(again.message, verdict.message);
  EXPECT_EQ(FromAbortReason("by hand").reason, "Aborted");
}

}  // namespace
}  // namespace pj::policy
