// Signs of life and take-over by strangers (rules 2 and 7), outside a local run.
#include <gmock/gmock.h>

#include "tests/unit/ledger/rules_fixture.h"

namespace pj::ledger {
namespace {

class LeaseRules : public Rules {
 protected:
  static constexpr Nanos kTick = Millis(200);

  LeaseRules() { Make({.local = false, .incarnation = "pod-a", .holder = WorkerName(0)}); }

  // Somebody else's shard, all of it below its horizon: nothing to steal.
  static ShardRecord Dead() {
    ShardRecord record = Foreign(0, 100, "pod-z");
    record.holder = WorkerName(9);
    record.horizon = 100;
    record.low_water = 10;
    record.write_id = {"pod-z.w-9", 4};
    return record;
  }
  std::string LeaseOf(uint32_t ordinal) const {
    return ChildName("job", config.identity, WorkerName(ordinal));
  }
  std::string Holder() const { return store.Read(Name(0)).holder; }
  uint64_t LeaseVersion(uint32_t ordinal) const { return store.objects.at(LeaseOf(ordinal)).first; }
  // Until the shard is ours; how long that took.
  Nanos WaitForTakeOver(const std::function<void()>& each = [] {}) {
    const Nanos begin = now;
    for (int i = 0; i < 40 && Holder() != config.holder; ++i) {
      each();
      Tick();
    }
    return now - begin;
  }
};

TEST_F(LeaseRules, AStrangerTakesOverWhatIsSilentForThreeTicks) {
  Plant(Dead());
  Own();
  const Nanos took = WaitForTakeOver();
  EXPECT_EQ(Holder(), config.holder);
  EXPECT_EQ(store.Read(Name(0)).epoch, 2u);
  EXPECT_GE(took, 3 * kTick);
  EXPECT_LE(took, 12 * kTick);
  const std::vector<Assignment> given = Take(1);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(given[0].mini_batch, 10u);
}

TEST_F(LeaseRules, ALeaseThatChangesProtectsItsHoldersShards) {
  Plant(Dead());
  Own();
  WaitForTakeOver([this] { store.objects[LeaseOf(9)] = {++store.version, "pod-z"}; });
  EXPECT_EQ(Holder(), WorkerName(9));
}

TEST_F(LeaseRules, AShardThatItsHolderWritesProtectsItself) {
  Plant(Dead());
  Own();
  uint64_t counter = 4;
  WaitForTakeOver([&] {
    ShardRecord record = store.Read(Name(0));
    record.write_id.counter = ++counter;
    store.objects[Name(0)] = {++store.version, EncodeShard(record)};
  });
  EXPECT_EQ(Holder(), WorkerName(9));
}

TEST_F(LeaseRules, AThiefsWriteIsNoSignOfTheHolder) {
  Plant(Dead());
  Own();
  WaitForTakeOver([this] { Change(0, [](ShardRecord*) {}); });
  EXPECT_EQ(Holder(), config.holder);
}

TEST_F(LeaseRules, AnIdleAgentRenewsItsLeaseEachTick) {
  Plant(Dead());
  Own();
  const uint64_t first = LeaseVersion(0);
  Tick();
  const uint64_t second = LeaseVersion(0);
  Tick();
  EXPECT_LT(first, second);
  EXPECT_LT(second, LeaseVersion(0));
}

TEST_F(LeaseRules, ABusyAgentWritesItsLeaseOnceForEachNews) {
  Own();
  const auto work = [this] {
    for (const Assignment& a : Take(2)) Finish(a);
    Tick();
  };
  work();
  const uint64_t first = LeaseVersion(0);
  work();
  EXPECT_EQ(LeaseVersion(0), first) << "the shard is sign enough";
  core->NoteState();
  work();
  const uint64_t second = LeaseVersion(0);
  EXPECT_LT(first, second);
  work();
  work();
  EXPECT_EQ(LeaseVersion(0), second);
}

TEST_F(LeaseRules, ALeaseLeftByAnEarlierIncarnationIsAdopted) {
  store.objects[LeaseOf(0)] = {++store.version, "pod-before"};
  Own();
  EXPECT_EQ(store.objects.at(LeaseOf(0)).second, "pod-a");
}

TEST_F(LeaseRules, NothingNewIsStartedTwoTicksAfterTheLastAcknowledgedWrite) {
  Own();
  ASSERT_EQ(Take(1).size(), 1u);
  now += 2 * kTick;
  EXPECT_TRUE(Take(1).empty());
  std::vector<Effect> effects = Step(TimerFired{});
  std::vector<Call> under_way = std::exchange(calls, {});
  ASSERT_FALSE(under_way.empty());
  bool announced = false;
  for (const Call& call : under_way) {
    for (const Effect& effect : Step(store.Do(call))) {
      announced = announced || std::holds_alternative<WorkAvailable>(effect);
    }
  }
  EXPECT_TRUE(announced);
  EXPECT_EQ(Take(1).size(), 1u);
}

TEST_F(LeaseRules, AWrongHintIsForgotten) {
  Plant(Dead());
  Own();
  Control control;
  control.hints = {7, 1000};  // neither exists
  Step(ControlChanged{control});
  WaitForTakeOver();
  for (int i = 0; i < 200 && !finished; ++i) {
    for (const Assignment& a : Take(10)) Finish(a);
    Tick();
  }
  EXPECT_EQ(finished, Finished::Why::kComplete) << store.Read(Name(0)).Left() << " left";
  EXPECT_FALSE(stalled.has_value());
}

}  // namespace
}  // namespace pj::ledger
