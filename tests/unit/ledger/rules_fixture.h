// The fixture of the rule tests: a single AgentCore whose calls are answered by hand.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/ledger/farm.h"

namespace pj::ledger {

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
    std::string holder = "instance-0";
  };
  void Make(const Setup& setup) {
    config = {};
    config.job = "job";
    config.identity = {"uid", 1};
    config.holder = setup.holder;
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

}  // namespace pj::ledger
