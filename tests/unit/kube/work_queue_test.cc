#include "kube/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace pj::kube {
namespace {

constexpr Millis kNow{0};
constexpr Millis kLong{20'000};

std::vector<std::string> Drain(WorkQueue& queue) {
  std::vector<std::string> out;
  while (auto key = queue.Get(kNow)) {
    queue.Done(*key);
    out.push_back(*key);
  }
  return out;
}

using Keys = std::vector<std::string>;

TEST(WorkQueue, GivesKeysInOrderAndBurstsOnce) {
  WorkQueue queue;
  for (const char* key : {"a", "b", "a", "c", "b"}) queue.Add(key);
  EXPECT_EQ(queue.Size(), 3u);
  EXPECT_EQ(Drain(queue), (Keys{"a", "b", "c"}));
}

TEST(WorkQueue, UrgentKeysComeFirstAndLetOthersThroughAllTheSame) {
  WorkQueue queue;
  queue.AddLow("low");
  queue.Add("a");
  queue.Add("b");
  for (const char* key : {"1", "2", "3", "4", "5", "6"}) queue.AddUrgent(key);
  queue.AddUrgent("b");  // it waited already
  EXPECT_TRUE(queue.UrgentWaits());
  EXPECT_EQ(Drain(queue), (Keys{"1", "2", "3", "4", "a", "5", "6", "b", "low"}));
  EXPECT_FALSE(queue.UrgentWaits());
  for (const char* key : {"1", "2", "3", "4", "5"}) queue.AddUrgent(key);
  EXPECT_EQ(Drain(queue).size(), 5u) << "nobody else waits";
}

TEST(WorkQueue, SomeWorkersAreThereForUrgentKeys) {
  WorkQueue queue({.most_not_urgent = 2});
  for (const char* key : {"a", "b", "c"}) queue.Add(key);
  EXPECT_EQ(queue.Get(kNow), "a");
  EXPECT_EQ(queue.Get(kNow), "b");
  EXPECT_FALSE(queue.Get(kNow)) << "two are in hand";
  EXPECT_TRUE(queue.Waits());
  queue.AddUrgent("1");
  EXPECT_EQ(queue.Get(kNow), "1");
  EXPECT_FALSE(queue.Get(kNow));
  queue.Done("1");
  EXPECT_FALSE(queue.Get(kNow));
  std::jthread worker([&] { queue.Done("a"); });
  EXPECT_EQ(queue.Get(kLong), "c") << "who waits is told";
}

TEST(WorkQueue, AKeyIsNeverWorkedOnTwiceAtATime) {
  WorkQueue queue;
  queue.Add("a");
  ASSERT_EQ(queue.Get(kNow), "a");
  queue.Add("a");
  queue.Add("a");
  EXPECT_FALSE(queue.Get(kNow).has_value());
  queue.Done("a");
  EXPECT_EQ(Drain(queue), Keys{"a"});
}

TEST(WorkQueue, SomethingWaitsAlsoWhenNobodyHasLookedAtWhatIsDue) {
  ManualClock clock;
  WorkQueue queue({.clock = &clock});
  EXPECT_FALSE(queue.Waits());
  queue.AddAfter("a", Seconds(5));
  EXPECT_FALSE(queue.Waits());
  clock.Advance(Seconds(5));
  EXPECT_TRUE(queue.Waits());
  EXPECT_EQ(queue.Size(), 0u);
  EXPECT_EQ(Drain(queue), Keys{"a"});
  EXPECT_FALSE(queue.Waits());
  queue.AddLow("b");
  EXPECT_TRUE(queue.Waits());
  ASSERT_EQ(queue.Get(kNow), "b");
  EXPECT_FALSE(queue.Waits()) << "it is in a worker's hands";
}

TEST(WorkQueue, AKeyRestsAfterItsTurnWhileOthersGoOn) {
  ManualClock clock;
  WorkQueue queue({.clock = &clock, .pause = Millis(100)});
  queue.Add("a");
  EXPECT_EQ(Drain(queue), Keys{"a"});
  queue.Add("a");
  queue.Add("b");
  EXPECT_EQ(Drain(queue), Keys{"b"});
  clock.Advance(Millis(99));
  EXPECT_EQ(Drain(queue), Keys{});
  clock.Advance(Millis(1));
  EXPECT_EQ(Drain(queue), Keys{"a"});
  clock.Advance(Millis(100));
  queue.Add("a");  // long after its last turn: at once
  EXPECT_EQ(Drain(queue), Keys{"a"});
}

TEST(WorkQueue, LowPriorityComesLastAndMovesUp) {
  WorkQueue queue;
  queue.AddLow("resync-1");
  queue.AddLow("resync-2");
  queue.Add("event");
  queue.Add("resync-2");
  queue.AddLow("event");
  EXPECT_EQ(Drain(queue), (Keys{"event", "resync-2", "resync-1"}));
}

TEST(WorkQueue, AKeyChangedWhileInWorkKeepsTheHigherPriority) {
  WorkQueue queue;
  queue.Add("a");
  ASSERT_EQ(queue.Get(kNow), "a");
  queue.AddLow("a");
  queue.Add("a");
  queue.AddLow("b");
  queue.Done("a");
  EXPECT_EQ(Drain(queue), (Keys{"a", "b"}));
}

TEST(WorkQueue, DelayedKeysComeWhenTheirTimeHasCome) {
  ManualClock clock;
  WorkQueue queue({.clock = &clock});
  queue.AddAfter("late", Seconds(10));
  queue.AddAfter("early", Seconds(5));
  queue.AddAfter("late", Seconds(20));  // the earliest counts
  queue.AddAfter("now", Seconds(0));
  EXPECT_EQ(Drain(queue), Keys{"now"});
  EXPECT_EQ(queue.Delayed(), 2u);
  clock.Advance(Seconds(5));
  EXPECT_EQ(Drain(queue), Keys{"early"});
  clock.Advance(Seconds(5));
  EXPECT_EQ(Drain(queue), Keys{"late"});
  clock.Advance(Seconds(60));
  EXPECT_EQ(Drain(queue), Keys{});
}

TEST(WorkQueue, FailuresDoubleTheKeysOwnDelay) {
  ManualClock clock;
  WorkQueue queue({.clock = &clock});
  for (const int expected : {5, 10, 20, 40}) {
    queue.AddRateLimited("bad");
    clock.Advance(Millis(expected) - Nanos(1));
    EXPECT_FALSE(queue.Get(kNow).has_value()) << expected;
    clock.Advance(Nanos(1));
    EXPECT_EQ(Drain(queue), Keys{"bad"}) << expected;
  }
  EXPECT_EQ(queue.Failures("bad"), 4);
  EXPECT_EQ(queue.Failures("good"), 0);
  queue.Forget("bad");
  queue.AddRateLimited("bad");
  clock.Advance(Millis(5));
  EXPECT_EQ(Drain(queue), Keys{"bad"});
}

TEST(WorkQueue, TheDelayEndsAtItsMaximum) {
  ManualClock clock;
  WorkQueue queue({.clock = &clock});
  for (int i = 0; i < 80; ++i) {
    queue.AddRateLimited("bad");
    clock.Advance(Seconds(1000));
    EXPECT_EQ(Drain(queue), Keys{"bad"}) << i;
  }
}

TEST(WorkQueue, AWaitingWorkerWakesForNewAndForDueKeys) {
  WorkQueue queue;
  std::jthread adder([&] {
    queue.Add("new");
    queue.AddAfter("due", Millis(20));
  });
  EXPECT_EQ(queue.Get(kLong), "new");
  EXPECT_EQ(queue.Get(kLong), "due");
}

TEST(WorkQueue, ShutDownLetsEveryWorkerGo) {
  WorkQueue queue;
  std::jthread worker([&] { EXPECT_FALSE(queue.Get(kLong).has_value()); });
  queue.ShutDown();
  worker.join();
  queue.Add("a");
  EXPECT_FALSE(queue.Get(kNow).has_value());
}

TEST(WorkQueue, ManyWorkersNeverShareAKey) {
  constexpr int kKeys = 20;
  constexpr int kTurns = 4000;
  WorkQueue queue;
  std::array<std::atomic<int>, kKeys> busy{};
  std::atomic<int> turns{0};
  const auto work = [&] {
    while (auto key = queue.Get(kLong)) {
      auto& mine = busy[static_cast<size_t>(std::stoi(*key))];
      EXPECT_EQ(++mine, 1);
      if (++turns < kTurns) queue.Add(*key);
      --mine;
      queue.Done(*key);
      if (turns >= kTurns) queue.ShutDown();
    }
  };
  for (int i = 0; i < kKeys; ++i) queue.Add(std::to_string(i));
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i) workers.emplace_back(work);
  }
  EXPECT_GE(turns, kTurns);
}

}  // namespace
}  // namespace pj::kube
