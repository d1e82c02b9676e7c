// Farm: agents, slots and a store in virtual time: what the unit tests run whole jobs on.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger/agent_core.h"
#include "ledger/record.h"

namespace pj::ledger {

// The least store that has compare-and-swap.
class TinyStore {
 public:
  Reply Do(const Call& call) {
    ++requests;
    Reply reply{call.id, Reply::Outcome::kOk, {}, {}, {}};
    const auto it = objects.find(call.name);
    using Op = Call::Op;
    if (call.op == Op::kGet || call.op == Op::kGetLease) {
      if (it == objects.end())
        reply.outcome = Reply::Outcome::kNotFound;
      else {
        reply.version = std::to_string(it->second.first);
        reply.record = it->second.second;
      }
      return reply;
    }
    const bool create = call.op == Op::kCreate || call.op == Op::kCreateLease;
    if (create && it != objects.end()) {
      reply.outcome = Reply::Outcome::kExists;
      return reply;
    }
    if (!create && (it == objects.end() || std::to_string(it->second.first) != call.version)) {
      reply.outcome = it == objects.end() ? Reply::Outcome::kNotFound : Reply::Outcome::kConflict;
      return reply;
    }
    ++writes;
    objects[call.name] = {++version, call.record};
    reply.version = std::to_string(version);
    return reply;
  }
  ShardRecord Read(const std::string& name) const { return *DecodeShard(objects.at(name).second); }
  std::vector<ShardRecord> All() const {
    std::vector<ShardRecord> all;
    for (const auto& [name, object] : objects) all.push_back(*DecodeShard(object.second));
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.lo < b.lo; });
    return all;
  }

  std::map<std::string, std::pair<uint64_t, std::string>> objects;
  uint64_t version = 0;
  uint64_t writes = 0;
  uint64_t requests = 0;
};

struct FarmOptions {
  uint64_t mini_batches = 100;
  uint64_t instances = 2;
  uint32_t slots = 2;
  int64_t max_retries = 2;
  Nanos api_latency = Millis(2);
  Nanos sync_latency = Millis(5);
  size_t frame = 1;  // mini-batches that one slot takes at once
  std::string incarnation = "first";
  std::function<Nanos(uint64_t mini_batch, uint32_t instance)> duration = [](uint64_t, uint32_t) {
    return Nanos(Millis(1));
  };
  std::function<AttemptStatus(const Assignment&)> outcome = [](const Assignment&) {
    return AttemptStatus::kRunDone;
  };
};

// One program: `instances` agents over a store that outlives it. Not thread-safe.
class Farm {
 public:
  Farm(FarmOptions farm_options, TinyStore* farm_store)
      : options(std::move(farm_options)), store(farm_store) {
    const uint64_t roots = RootCount(options.mini_batches, options.instances);
    for (uint32_t i = 0; i < options.instances; ++i) {
      AgentConfig config;
      config.job = "job";
      config.identity = {"uid", 1};
      config.ordinal = i;
      config.holder = "instance-" + std::to_string(i);
      config.incarnation = options.incarnation;
      config.mini_batches = options.mini_batches;
      config.roots = roots;
      config.slots = options.slots;
      config.max_retries = options.max_retries;
      config.seed = 7 + i;
      agents.push_back(std::make_unique<Worker>(config));
      agents[i]->idle_slots = options.slots;
    }
  }

  // Until all ended or `deadline`; returns when the last agent finished.
  Nanos Run(Nanos deadline = Seconds(3600)) {
    for (uint32_t i = 0; i < agents.size(); ++i) Step(i, Started{});
    while (!events.empty()) {
      const auto it = events.begin();
      if (it->first > deadline) break;
      now = it->first;
      auto action = std::move(it->second);
      events.erase(it);
      action();
    }
    return ended_at;
  }
  void At(Nanos time, std::function<void()> action) { events.emplace(time, std::move(action)); }
  void Step(uint32_t i, const Event& event) {
    if (agents[i]->ended) return;
    std::vector<Effect> effects;
    agents[i]->core.Step(event, now, &effects);
    Carry(i, effects);
    Feed(i);
  }

  struct Worker {
    explicit Worker(AgentConfig config) : core(std::move(config)) {}
    AgentCore core;
    uint32_t idle_slots = 0;
    uint64_t timer = 0;  // the newest wins
    bool ended = false;
    std::optional<Finished::Why> why;
    std::optional<Error> stalled;
    uint64_t runs = 0;
    Nanos busy{0};
    Nanos last_end{0};
    std::map<uint64_t, OutputMark> marks;
    std::vector<Assignment> given;  // in order
    std::vector<Effect> trace;
  };

  FarmOptions options;
  TinyStore* store;
  std::vector<std::unique_ptr<Worker>> agents;
  std::multimap<Nanos, std::function<void()>> events;
  Nanos now{0};
  Nanos ended_at{0};  // when the last agent finished
  bool keep_trace = false;

 private:
  void Carry(uint32_t i, const std::vector<Effect>& effects) {
    Worker& worker = *agents[i];
    for (const Effect& effect : effects) {
      if (keep_trace) worker.trace.push_back(effect);
      if (const auto* call = std::get_if<Call>(&effect)) {
        At(now + options.api_latency / 2, [this, i, call = *call] {
          const Reply reply = store->Do(call);
          At(now + options.api_latency / 2, [this, i, reply] { Step(i, reply); });
        });
      } else if (const auto* open = std::get_if<OpenSegment>(&effect)) {
        worker.marks[open->lo] = {std::to_string(open->lo) + "-" + std::to_string(open->epoch) +
                                      "-" + std::to_string(i) + "-" + options.incarnation,
                                  0, 0, 0, 0};
      } else if (const auto* sync = std::get_if<SyncOutput>(&effect)) {
        At(now + options.sync_latency, [this, i, lo = sync->lo, mark = worker.marks[sync->lo]] {
          Step(i, OutputSynced{lo, mark});
        });
      } else if (const auto* timer = std::get_if<SetTimer>(&effect)) {
        At(std::max(now, timer->at), [this, i, number = ++worker.timer] {
          if (agents[i]->timer == number) Step(i, TimerFired{});
        });
      } else if (const auto* finished = std::get_if<Finished>(&effect)) {
        worker.ended = true;
        ended_at = now;
        worker.why = finished->why;
      } else if (const auto* stalled = std::get_if<Stalled>(&effect)) {
        worker.ended = true;
        worker.stalled = stalled->error;
      }
    }
  }

  void Feed(uint32_t i) {
    Worker& worker = *agents[i];
    while (worker.idle_slots > 0 && !worker.ended) {
      std::vector<Assignment> frame;
      worker.core.Take(options.frame, now, &frame);
      if (frame.empty()) break;
      --worker.idle_slots;
      Nanos took{0};
      for (const Assignment& a : frame) {
        took += options.duration(a.mini_batch, i);
        worker.given.push_back(a);
      }
      worker.busy += took;
      At(now + took, [this, i, frame] { End(i, frame); });
    }
    Poll(i);
  }

  void End(uint32_t i, const std::vector<Assignment>& frame) {
    Worker& worker = *agents[i];
    if (worker.ended) return;
    for (const Assignment& a : frame) {
      AttemptResult result{.mini_batch = a.mini_batch,
                           .attempt = a.attempt,
                           .lo = a.lo,
                           .epoch = a.epoch,
                           .status = options.outcome(a),
                           .items_total = 1,
                           .items_ok = 1,
                           .error_text = {},
                           .error_log = {}};
      if (result.status != AttemptStatus::kRunDone) {
        result.items_ok = 0;
        result.error_hash = 77;
        result.error_text = "ValueError: no";
      }
      const Verdict verdict = worker.core.Finish(result, now);
      worker.last_end = now;
      OutputMark& mark = worker.marks[a.lo];
      if (verdict == Verdict::kSucceeded || verdict == Verdict::kFailed) {
        ++worker.runs;
        mark.index += 40;
        mark.rows += 3;
      }
      if (verdict != Verdict::kStale) mark.attempts += 10;
    }
    ++worker.idle_slots;
    Feed(i);
  }

  void Poll(uint32_t i) {
    if (agents[i]->ended) return;
    std::vector<Effect> effects;
    agents[i]->core.Poll(now, &effects);
    Carry(i, effects);
    for (const Effect& effect : effects) {
      if (std::holds_alternative<WorkAvailable>(effect)) return Feed(i);
    }
  }
};

}  // namespace pj::ledger
