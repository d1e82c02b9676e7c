// Claim, horizon, checkpoint, split and take-over (rules 1, 3, 4, 5, 7), one by one.
#include <gtest/gtest.h>

#include "tests/unit/ledger/rules_fixture.h"

namespace pj::ledger {
namespace {

class Quick : public Rules {
 protected:
  // Mini-batches of 1 ms have moved the horizon far ahead; the one that is returned still runs.
  Assignment Begin(const Setup& setup) {
    Make(setup);
    Own();
    for (int i = 0; i < 8; ++i) {
      for (const Assignment& a : Take(4)) {
        now += Millis(1);
        Finish(a);
      }
      Poll();
      Settle();
    }
    return Take(1).at(0);
  }
};

TEST_F(Rules, ClaimIsACreateOfTheOwnRoot) {
  Step(Started{});
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].op, Call::Op::kCreate);
  EXPECT_EQ(calls[0].name, Name(0));
  Settle();
  const ShardRecord shard = store.Read(Name(0));
  EXPECT_EQ(shard.holder, "instance-0");
  EXPECT_EQ(shard.epoch, 1U);
  EXPECT_EQ(shard.horizon, 2U);
}

TEST_F(Rules, NothingIsGivenBeyondTheAcknowledgedHorizon) {
  Own();
  EXPECT_EQ(Take(10).size(), 2U);
  Poll();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_GT(DecodeShard(calls[0].record)->horizon, 2U);
  EXPECT_TRUE(Take(10).empty());  // raised only by the 200
  Poll();
  EXPECT_EQ(calls.size(), 1U);  // one in flight at a time
  Settle();
  EXPECT_FALSE(Take(10).empty());
}

TEST_F(Rules, RunningShortTwiceAsksTwiceForAHigherHorizon) {
  Own();
  std::vector<Assignment> running = Take(2);
  EXPECT_TRUE(Take(1).empty());
  Poll();
  EXPECT_TRUE(Take(1).empty());  // short again while the put is under way
  Settle();
  for (const Assignment& a : Take(2)) running.push_back(a);
  ASSERT_EQ(running.size(), 4U);
  now += Millis(20);
  for (const Assignment& a : running) Finish(a);
  ASSERT_TRUE(calls.empty());
  EXPECT_TRUE(Take(1).empty());
  Poll();
  EXPECT_EQ(calls.size(), 1U);  // at once, not with the next tick
}

TEST_F(Quick, ALoweredHorizonHoldsBeforeItIsSentAndAfterALostAnswer) {
  Plant(Foreign(0, 100, "first"));
  const Assignment last = Begin({.slots = 1});
  const uint64_t high = store.Read(Name(0)).horizon;
  now += Seconds(5);  // and now they are slow
  calls.clear();
  Step(ControlChanged{{.retract = {0}}});
  ASSERT_EQ(calls.size(), 1U);
  const uint64_t low = DecodeShard(calls[0].record)->horizon;
  ASSERT_LT(low, high);
  EXPECT_GT(low, last.mini_batch);
  const Call lost = calls[0];
  calls.clear();
  Step(Reply{lost.id, Reply::Outcome::kUnknown, {}, {}, {}});
  for (const Assignment& a : Take(100)) EXPECT_LT(a.mini_batch, low);
}

TEST_F(Quick, RetreatsFromWhatItsBusySlotsCannotStartWhenAsked) {
  for (const bool local : {true, false}) {
    store = {};
    const Assignment slow = Begin({.slots = 1, .local = local});
    ASSERT_GT(store.Read(Name(0)).horizon, slow.mini_batch + 1);
    Tick();
    EXPECT_GT(store.Read(Name(0)).horizon, slow.mini_batch + 1) << "nobody asks";
    now += Seconds(1);
    Step(ControlChanged{{.retract = {0}}});
    Settle();
    EXPECT_EQ(store.Read(Name(0)).horizon, slow.mini_batch + 1);
    Step(ControlChanged{{.hints = {0}}});  // there is something to take now: nobody is asked
    for (int i = 0; i < 4; ++i) {
      core->NoteRunning(1);
      Tick();
    }
    EXPECT_EQ(store.Read(Name(0)).horizon, slow.mini_batch + 1) << "no slot is free";
    Finish(slow);
    EXPECT_TRUE(Take(1).empty());
    Poll();
    Settle();
    EXPECT_EQ(Take(1).size(), 1U);
  }
}

TEST_F(Quick, AnIdleSlotBesideAStuckOneGetsWork) {
  const Assignment slow = Begin({.slots = 2});
  now += Seconds(1);
  Step(ControlChanged{{.retract = {0}}});  // while the other slot was still in init()
  Settle();
  ASSERT_EQ(store.Read(Name(0)).horizon, slow.mini_batch + 1);
  EXPECT_TRUE(Take(1).empty());
  Poll();
  Settle();
  EXPECT_EQ(Take(1).size(), 1U);
}

TEST_F(Rules, ReleasesAShardThatNoSlotCanStart) {
  Make({.mini_batches = 2, .roots = 2, .slots = 1});
  Own();
  const std::vector<Assignment> slow = Take(1);
  ASSERT_EQ(slow.size(), 1U);
  EXPECT_TRUE(Take(1).empty());  // as if a slot were free: it asks, and then gets a retry
  Poll();
  Settle();
  ASSERT_EQ(store.Read(Name(1)).holder, "instance-0");
  core->NoteIdle(false);
  Step(ControlChanged{{.retract = {0, 1}}});
  Tick();
  EXPECT_EQ(store.Read(Name(1)).holder, "");
  EXPECT_EQ(store.Read(Name(0)).holder, "instance-0");
  Finish(slow[0]);
  EXPECT_TRUE(Take(1).empty());
  Tick();
  EXPECT_EQ(store.Read(Name(1)).holder, "instance-0") << "nobody else came";
  EXPECT_EQ(store.Read(Name(1)).epoch, 2U);
  EXPECT_EQ(Take(1).size(), 1U);
}

TEST_F(Rules, WhatFailedComesInAFrameOfItsOwn) {
  Make({.slots = 4});
  Own();
  const std::vector<Assignment> given = Take(3);
  ASSERT_EQ(given.size(), 3U);
  EXPECT_EQ(Finish(given[0], AttemptStatus::kRunShort), Verdict::kRetry);
  const std::vector<Assignment> again = Take(3);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].attempt, 2U);
  EXPECT_EQ(Take(3).size(), 1U) << "and the next after it";
}

TEST_F(Rules, TheLastBeyondTheHorizonIsTakenButNotTheFirstOfAShard) {
  Make({.mini_batches = 2, .slots = 1});
  ShardRecord busy = Foreign(0, 2, "second");
  busy.horizon = 1;
  Plant(busy);
  Own();
  EXPECT_EQ(store.Read(Name(0)).hi, 1U);
  EXPECT_EQ(store.Read(Name(1)).holder, "instance-0");
  Make({.mini_batches = 1, .slots = 1});
  store = {};
  Plant(Foreign(0, 1, "second"));
  Own();
  EXPECT_EQ(store.Read(Name(0)).hi, 1U);
  EXPECT_EQ(store.objects.size(), 1U);
}

TEST_F(Rules, OutputIsSyncedBeforeTheCommitAndWhatCameLaterWaits) {
  Own();
  const auto given = Take(2);
  Finish(given[0]);
  now += Millis(300);
  Step(TimerFired{});
  ASSERT_EQ(syncs, std::vector<uint64_t>{0});
  for (const Call& call : calls) EXPECT_EQ(DecodeShard(call.record)->DoneCount(), 0U);
  Finish(given[1]);  // after the sync began
  Settle();
  EXPECT_TRUE(store.Read(Name(0)).IsDone(0));
  EXPECT_FALSE(store.Read(Name(0)).IsDone(1));
  Tick();
  EXPECT_TRUE(store.Read(Name(0)).IsDone(1));
}

TEST_F(Rules, MuchOutputIsCommittedBeforeTheTickAndNothingIsNot) {
  Own();
  const uint64_t writes = store.writes;
  Step(CommitWanted{});
  Settle();
  EXPECT_EQ(store.writes, writes);
  Finish(Take(1)[0]);
  Step(CommitWanted{});
  ASSERT_EQ(syncs, std::vector<uint64_t>{0});
  Step(CommitWanted{});  // wanted still, while the storage is busy
  EXPECT_EQ(syncs.size(), 1U);
  Settle();
  EXPECT_TRUE(store.Read(Name(0)).IsDone(0));
  EXPECT_EQ(store.writes, writes + 1);
}

TEST_F(Rules, AConflictWithAThiefMergesTheShrunkRange) {
  Own();
  const auto given = Take(2);
  Change(0, [](ShardRecord* r) {
    r->tickets.push_back({50, r->hi});
    r->hi = 50;
  });
  Finish(given[0]);
  Tick();
  const ShardRecord shard = store.Read(Name(0));
  EXPECT_EQ(shard.hi, 50U);
  EXPECT_TRUE(shard.IsDone(0));
  EXPECT_EQ(shard.tickets.size(), 1U);
  EXPECT_TRUE(drops.empty());
}

TEST_F(Rules, AnotherEpochFences) {
  Own();
  const auto given = Take(2);
  Change(0, [](ShardRecord* r) {
    r->holder = "instance-1";
    r->epoch = 2;
  });
  const uint64_t writes = store.writes;
  Finish(given[0]);
  Tick();
  ASSERT_EQ(drops.size(), 1U);
  EXPECT_EQ(drops[0].from, 0U);
  EXPECT_EQ(Finish(given[1]), Verdict::kStale);
  EXPECT_EQ(store.Read(Name(0)).DoneCount(), 0U);
  EXPECT_GE(store.writes, writes);
}

TEST_F(Rules, ALostAnswerIsSettledByReading) {
  Own();
  const auto given = Take(2);
  Finish(given[0]);
  now += Millis(300);
  Step(TimerFired{});
  while (calls.empty()) {
    const uint64_t lo = syncs.front();
    syncs.erase(syncs.begin());
    Step(OutputSynced{lo, {"segment-0", 1, 40, 1, 1}});
  }
  const Call put = calls.front();
  calls.clear();
  Reply reply = store.Do(put);  // it landed
  reply.outcome = Reply::Outcome::kUnknown;
  Step(reply);
  EXPECT_TRUE(calls.empty());
  now += Seconds(1);
  Step(TimerFired{});
  ASSERT_FALSE(calls.empty());
  EXPECT_EQ(calls[0].op, Call::Op::kGet);
  const uint64_t writes = store.writes;
  const Call get = calls[0];
  calls.clear();
  Step(store.Do(get));
  EXPECT_EQ(store.writes, writes);
  EXPECT_EQ(core->HeldShards()[0]->write_id, DecodeShard(put.record)->write_id);
}

TEST_F(Rules, AThiefTakesHalfOfWhatLiesBeyondTheHorizon) {
  ShardRecord victim = Foreign(0, 100, "second");  // alive
  victim.horizon = 20;
  Plant(victim);
  Own();
  const ShardRecord left = store.Read(Name(0));
  EXPECT_EQ(left.hi, 60U);
  EXPECT_EQ(left.tickets, (std::vector<SplitTicket>{{60, 100}}));
  EXPECT_EQ(left.holder, "instance-9");
  const ShardRecord child = store.Read(Name(60));
  EXPECT_EQ(child.hi, 100U);
  EXPECT_EQ(child.holder, "instance-0");
}

TEST_F(Rules, ATicketWithoutItsChildIsCreatedByWhoeverSeesIt) {
  ShardRecord victim = Foreign(0, 60, "second");
  victim.horizon = 60;
  victim.tickets = {{60, 100}};
  Plant(victim);
  Own();
  EXPECT_EQ(store.Read(Name(60)).holder, "instance-0");
}

TEST_F(Rules, NothingBeyondTheHorizonMeansNothingToSteal) {
  ShardRecord victim = Foreign(0, 100, "second");
  victim.horizon = 100;
  Plant(victim);
  Own();
  EXPECT_EQ(store.Read(Name(0)).hi, 100U);
  EXPECT_TRUE(core->Idle());
  EXPECT_FALSE(finished.has_value());  // it stays and looks for some
}

TEST_F(Rules, AnOlderIncarnationIsTakenOverWithItsWork) {
  ShardRecord old = Foreign(0, 100, "first");
  old.horizon = 50;
  old.low_water = 10;
  old.done_above.Add(30, 40);
  old.failed.Add(35);
  old.attempts = {{12, 1}};
  old.outputs = {{"old", 1, 2, 3, 4}};
  Plant(old);
  Own();
  const ShardRecord taken = store.Read(Name(0));
  EXPECT_EQ(taken.holder, "instance-0");
  EXPECT_EQ(taken.epoch, 2U);
  EXPECT_EQ(taken.done_above, old.done_above);
  EXPECT_EQ(taken.outputs, old.outputs);
  EXPECT_EQ(taken.barren_epochs, 0U);  // the program's death counts for nothing
  EXPECT_GE(taken.horizon, 40U);
  const auto given = Take(1);
  ASSERT_EQ(given.size(), 1U);
  EXPECT_EQ(given[0].mini_batch, 12U);
  EXPECT_EQ(given[0].attempt, 2U);
  EXPECT_TRUE(given[0].last_attempt);
  EXPECT_TRUE(given[0].fresh_process);
  for (const Assignment& a : Take(100)) {
    EXPECT_FALSE(old.IsDone(a.mini_batch));
    EXPECT_NE(a.mini_batch, 12U);
  }
}

TEST_F(Rules, InAClusterOnlyOnesOwnFormerSelfIsTakenOver) {
  Make({.local = false});
  Plant(Foreign(0, 2, "first"));
  Own();
  EXPECT_EQ(store.Read(Name(0)).holder, "instance-9");
}

TEST_F(Rules, AnotherRunsRecordStalls) {
  ShardRecord other = Foreign(0, 100, "first");
  other.job = {"uid", 2};
  store.objects[Name(0)] = {++store.version, EncodeShard(other)};
  Own();
  ASSERT_TRUE(stalled.has_value());
  EXPECT_EQ(stalled->code, Code::kCorrupt);
}

TEST_F(Rules, ADamagedRecordStalls) {
  store.objects[Name(0)] = {++store.version, "garbage"};
  Own();
  ASSERT_TRUE(stalled.has_value());
  EXPECT_TRUE(stalled->message.starts_with("LedgerCorrupt"));
  EXPECT_EQ(stalled->where, Name(0));
}

// A drain that is taken back while the release is on its way: what began now would run for nobody.
TEST_F(Rules, NothingStartsWhileAReleaseIsUnderWay) {
  Own();
  Finish(Take(1).at(0));
  Step(ControlChanged{{.mode = Control::Mode::kDrain}});
  ASSERT_EQ(syncs.size(), 1u);
  const uint64_t lo = syncs.front();
  syncs.clear();
  Step(OutputSynced{lo, {"segment-0", 1, 40, 1, 1}});
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_TRUE(DecodeShard(calls[0].record)->holder.empty());
  Step(ControlChanged{{.mode = Control::Mode::kRun}});
  EXPECT_TRUE(Take(1).empty());
  // It met somebody's split, and did not land: the shard is ours, and goes on.
  Change(0, [](ShardRecord* shard) {
    shard->tickets.push_back({90, 100});
    shard->hi = 90;
  });
  Settle();
  EXPECT_EQ(Take(1).size(), 1u);
}

TEST_F(Rules, AReleaseThatLandedIsNotTakenBack) {
  Own();
  Step(ControlChanged{{.mode = Control::Mode::kDrain}});
  ASSERT_EQ(calls.size(), 1u);
  Step(ControlChanged{{.mode = Control::Mode::kRun}});
  const Reply lost{.id = calls[0].id, .outcome = Reply::Outcome::kUnknown};
  EXPECT_EQ(store.Do(calls[0]).outcome, Reply::Outcome::kOk);
  calls.clear();
  Step(lost);
  EXPECT_TRUE(Take(1).empty());
  Tick();  // reads, and claims what nobody holds now
  EXPECT_EQ(store.Read(Name(0)).epoch, 2u);
  EXPECT_EQ(Take(1).size(), 1u);
}

// The root was looked for, and nobody had it; then it is neither done nor unknown.
TEST_F(Rules, ARootThatADrainKeptFromBeingClaimedIsNotForgotten) {
  Make({.mini_batches = 2, .roots = 2, .local = false});
  Own();
  const auto given = Take(1);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_TRUE(Take(1).empty());
  Poll();
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].op, Call::Op::kGet);
  EXPECT_EQ(calls[0].name, Name(1));
  Step(ControlChanged{{.mode = Control::Mode::kDrain}});
  Settle();
  Step(ControlChanged{{.mode = Control::Mode::kRun}});
  EXPECT_EQ(Finish(given[0]), Verdict::kSucceeded);
  Poll();
  Settle();
  std::vector<Assignment> more;
  for (int i = 0; i < 100 && more.empty() && !finished; ++i) {
    Tick();
    more = Take(1);
  }
  EXPECT_FALSE(finished.has_value());
  ASSERT_EQ(more.size(), 1u);
  EXPECT_EQ(more[0].mini_batch, 1u);
}

}  // namespace
}  // namespace pj::ledger
