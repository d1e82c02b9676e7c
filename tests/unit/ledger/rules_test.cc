// The rules of the protocol one by one, on a single AgentCore whose calls are answered by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/ledger/farm.h"

namespace pj::ledger {
namespace {

class Rules : public testing::Test {
 protected:
  Rules() { Make({}); }
  struct Setup {
    uint64_t mini_batches = 100;
    uint64_t roots = 1;
    uint32_t slots = 2;
    int64_t max_retries = 1;
    bool local = true;
    std::string incarnation = "second";
  };
  void Make(const Setup& setup) {
    config = {};
    config.job = "job";
    config.identity = {"uid", 1};
    config.holder = "instance-0";
    config.incarnation = setup.incarnation;
    config.mini_batches = setup.mini_batches;
    config.roots = setup.roots;
    config.slots = setup.slots;
    config.max_retries = setup.max_retries;
    config.local = setup.local;
    core.emplace(config);
  }
  std::vector<Effect> Step(const Event& event) {
    std::vector<Effect> effects;
    core->Step(event, now, &effects);
    Note(effects);
    return effects;
  }
  std::vector<Effect> Poll() {
    std::vector<Effect> effects;
    core->Poll(now, &effects);
    Note(effects);
    return effects;
  }
  void Note(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* c = std::get_if<Call>(&effect)) calls.push_back(*c);
      if (const auto* f = std::get_if<Finished>(&effect)) finished = f->why;
      if (const auto* s = std::get_if<Stalled>(&effect)) stalled = s->error;
      if (const auto* s = std::get_if<SyncOutput>(&effect)) syncs.push_back(s->lo);
      if (const auto* d = std::get_if<DropRange>(&effect)) drops.push_back(*d);
    }
  }
  // Carries out all calls under way, and those that follow from them.
  void Settle() {
    for (int i = 0; i < 200 && (!calls.empty() || !syncs.empty()); ++i) {
      if (!calls.empty()) {
        const Call call = calls.front();
        calls.erase(calls.begin());
        Step(store.Do(call));
      } else {
        const uint64_t lo = syncs.front();
        syncs.erase(syncs.begin());
        Step(OutputSynced{lo, {"segment-" + std::to_string(lo), 1, 40, 1, 1}});
      }
    }
  }
  std::vector<Assignment> Take(size_t max) {
    std::vector<Assignment> out;
    core->Take(max, now, &out);
    return out;
  }
  Verdict Finish(const Assignment& a, AttemptStatus status = AttemptStatus::kRunDone) {
    AttemptResult result;
    result.mini_batch = a.mini_batch;
    result.attempt = a.attempt;
    result.lo = a.lo;
    result.epoch = a.epoch;
    result.status = status;
    result.items_total = result.items_ok = 4;
    if (status == AttemptStatus::kRunShort) result.items_ok = 3;
    if (status != AttemptStatus::kRunDone) result.error_text = "E", result.error_hash = 1;
    return core->Finish(result, now);
  }
  void Tick() {
    now += Millis(300);
    Step(TimerFired{});
    Settle();
  }
  void Own() {
    Step(Started{});
    Settle();
  }
  std::string Name(uint64_t lo) const { return ShardName("job", config.identity, lo); }
  // Somebody else's shard in the store.
  void Plant(ShardRecord record) {
    record.job = config.identity;
    Call create{0, Call::Op::kCreate, Name(record.lo), {}, EncodeShard(record)};
    ASSERT_EQ(store.Do(create).outcome, Reply::Outcome::kOk);
  }
  void Change(uint64_t lo, const std::function<void(ShardRecord*)>& change) {
    ShardRecord record = store.Read(Name(lo));
    change(&record);
    record.write_id = {"other", ++store.version};
    store.objects[Name(lo)] = {++store.version, EncodeShard(record)};
  }
  static ShardRecord Foreign(uint64_t lo, uint64_t hi, const std::string& incarnation) {
    ShardRecord record;
    record.lo = record.low_water = record.horizon = lo;
    record.hi = hi;
    record.holder = "instance-9";
    record.incarnation = incarnation;
    return record;
  }

  AgentConfig config;
  TinyStore store;
  std::optional<AgentCore> core;
  Nanos now{Seconds(1)};
  std::vector<Call> calls;
  std::vector<uint64_t> syncs;
  std::vector<DropRange> drops;
  std::optional<Finished::Why> finished;
  std::optional<Error> stalled;
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

TEST_F(Rules, ALoweredHorizonHoldsBeforeItIsSentAndAfterALostAnswer) {
  Make({.slots = 1});
  ShardRecord old = Foreign(0, 100, "first");
  Plant(old);
  Own();
  // Work at 1 ms each moves the horizon far ahead.
  for (int i = 0; i < 8; ++i) {
    for (const Assignment& a : Take(4)) {
      now += Millis(1);
      Finish(a);
    }
    Poll();
    Settle();
  }
  const uint64_t high = store.Read(Name(0)).horizon;
  const std::vector<Assignment> last = Take(1);
  ASSERT_EQ(last.size(), 1U);
  now += Seconds(5);  // and now they are slow
  calls.clear();
  Step(ControlChanged{{.retract = {0}}});
  ASSERT_EQ(calls.size(), 1U);
  const uint64_t low = DecodeShard(calls[0].record)->horizon;
  ASSERT_LT(low, high);
  EXPECT_GT(low, last[0].mini_batch);
  const Call lost = calls[0];
  calls.clear();
  Step(Reply{lost.id, Reply::Outcome::kUnknown, {}, {}, {}});
  for (const Assignment& a : Take(100)) EXPECT_LT(a.mini_batch, low);
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
  victim.horizon = 99;
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

TEST(Seal, SealsAllAndCreatesWhatIsMissing) {
  TinyStore store;
  const JobIdentity id{"uid", 1};
  ShardRecord root;
  root.job = id;
  root.hi = 20;
  root.horizon = 20;
  root.low_water = 5;
  root.holder = "instance-0";
  root.tickets = {{30, 50}, {20, 30}};
  store.Do({0, Call::Op::kCreate, ShardName("job", id, 0), {}, EncodeShard(root)});
  Sealer sealer("job", id, 100, 2, "seal");
  auto call = sealer.Step(nullptr);
  while (call && *call) {
    const Reply reply = store.Do(**call);
    call = sealer.Step(&reply);
  }
  ASSERT_TRUE(call.has_value()) << call.error().ToString();
  const auto shards = sealer.TakeShards();
  ASSERT_EQ(shards.size(), 4U);
  uint64_t at = 0;
  for (const ShardRecord& shard : shards) {
    EXPECT_EQ(shard.lo, at);
    EXPECT_TRUE(shard.sealed);
    EXPECT_TRUE(store.Read(ShardName("job", id, shard.lo)) == shard);
    at = shard.hi;
  }
  EXPECT_EQ(at, 100U);
  EXPECT_EQ(shards[0].epoch, 2U);
  EXPECT_EQ(shards[0].DoneCount(), 5U);
}

TEST(Seal, AGapIsLedgerCorrupt) {
  TinyStore store;
  const JobIdentity id{"uid", 1};
  ShardRecord root;
  root.job = id;
  root.hi = 20;  // and no ticket for the rest
  store.Do({0, Call::Op::kCreate, ShardName("job", id, 0), {}, EncodeShard(root)});
  Sealer sealer("job", id, 100, 1, "seal");
  auto call = sealer.Step(nullptr);
  while (call && *call) {
    const Reply reply = store.Do(**call);
    call = sealer.Step(&reply);
  }
  ASSERT_FALSE(call.has_value());
  EXPECT_EQ(call.error().code, Code::kCorrupt);
}

TEST(Seal, ANewTryGoesOnWhereADeadOneStopped) {
  const JobIdentity id{"uid", 1};
  for (int stop = 0; stop < 12; ++stop) {
    TinyStore store;
    for (int attempt = 0; attempt < 2; ++attempt) {
      Sealer sealer("job", id, 100, 3, "seal-" + std::to_string(attempt));
      auto call = sealer.Step(nullptr);
      for (int steps = 0; call && *call && (attempt == 1 || steps < stop); ++steps) {
        const Reply reply = store.Do(**call);
        call = sealer.Step(&reply);
      }
      if (attempt == 0) continue;
      ASSERT_TRUE(call.has_value() && !call->has_value());
      EXPECT_EQ(sealer.TakeShards().size(), 3U);
    }
  }
}

}  // namespace
}  // namespace pj::ledger
