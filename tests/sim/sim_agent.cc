#include "tests/sim/sim_agent.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "tests/sim/agent_host.h"

namespace pj::sim {

using ledger::Assignment;
using ledger::AttemptStatus;
using ledger::Effect;

SimAgent::SimAgent(AgentHost* host, ledger::AgentConfig config)
    : around_(host),
      config_(config),
      sender_{config.holder, config.incarnation, false},
      core_(config),
      free_slots_(config.slots * host->work().frame) {}

void SimAgent::Handle(const ledger::Event& event) {
  if (!Serves()) return;
  if (const auto* change = std::get_if<ledger::ControlChanged>(&event)) {
    stopped_ = change->control.mode != ledger::Control::Mode::kRun;
    if (change->control.mode == ledger::Control::Mode::kAbort) {
      running_.clear();
      ++host_;  // calls are killed
      free_slots_ = config_.slots * around_->work().frame;
    }
  }
  std::vector<Effect> effects;
  core_.Step(event, around_->time().Now(), &effects);
  Carry(effects);
  Feed();
}

void SimAgent::Carry(const std::vector<Effect>& effects) {
  for (const Effect& effect : effects) {
    if (!alive_) return;
    CarryOne(effect);
  }
}

void SimAgent::CarryOne(const Effect& effect) {
  if (const auto* call = std::get_if<ledger::Call>(&effect)) {
    around_->Send(this, *call);
  } else if (const auto* open = std::get_if<ledger::OpenSegment>(&effect)) {
    stems_[open->lo] =
        fmt::format("{}-{}-{}-{}", open->lo, open->epoch, config_.holder, config_.incarnation);
    if (around_->checker().segments.contains(stems_[open->lo])) {
      around_->checker().Violate("rule 4: a segment is opened twice: " + stems_[open->lo]);
    }
    around_->checker().segments[stems_[open->lo]] = {};
  } else if (const auto* sync = std::get_if<ledger::SyncOutput>(&effect)) {
    const std::string stem = stems_[sync->lo];
    const ledger::OutputMark mark = MarkOf(stem, around_->checker().segments[stem]);
    around_->time().After(around_->time().Below(Millis(8)), [this, lo = sync->lo, mark] {
      if (stems_.contains(lo) && stems_[lo] == mark.segment) Handle(ledger::OutputSynced{lo, mark});
    });
  } else if (const auto* drop = std::get_if<ledger::DropRange>(&effect)) {
    for (auto& [work, running] : running_) {
      if (work.first != drop->lo) continue;
      const size_t before = running.size();
      running.erase(running.lower_bound(drop->from), running.end());
      free_slots_ += static_cast<uint32_t>(before - running.size());
    }
    if (drop->from == drop->lo) stems_.erase(drop->lo);
  } else if (const auto* timer = std::get_if<ledger::SetTimer>(&effect)) {
    const Nanos wait = std::max(Nanos(0), timer->at - around_->time().Now());
    around_->time().After(wait, [this, number = ++timer_] {
      if (number == timer_) Handle(ledger::TimerFired{});
    });
  } else if (const auto* finished = std::get_if<ledger::Finished>(&effect)) {
    ended_ = true;
    why_ = finished->why;
    around_->OnAgentEnded(this);
  } else if (const auto* stalled = std::get_if<ledger::Stalled>(&effect)) {
    ended_ = true;
    around_->OnAgentStalled(this, stalled->error);
  }
}

void SimAgent::Feed() {
  while (Serves() && free_slots_ > 0) {
    std::vector<Assignment> given;
    core_.Take(1 + static_cast<size_t>(around_->time().Chance(0.2)), around_->time().Now(), &given);
    if (given.empty()) break;
    // A frame of two that meets one free slot: the second was never started.
    while (given.size() > free_slots_) {
      core_.GiveBack(given.back(), around_->time().Now());
      given.pop_back();
    }
    for (const Assignment& assignment : given) Run(assignment);
  }
  Poll();
}

void SimAgent::Poll() {
  if (!Serves()) return;
  std::vector<Effect> effects;
  core_.Poll(around_->time().Now(), &effects);
  const bool more = std::any_of(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<ledger::WorkAvailable>(effect);
  });
  Carry(effects);
  if (more) around_->time().After(Nanos(1000), [this] { Feed(); });
}

void SimAgent::Run(const Assignment& given) {
  Checker& checker = around_->checker();
  around_->time().Trace(fmt::format("{} {} runs {} attempt {}{}", config_.holder,
                                    config_.incarnation, given.mini_batch, given.attempt,
                                    given.alone ? " alone" : ""));
  checker.OnTake(sender_, given.lo, given.epoch, given.mini_batch, given.attempt);
  if (stopped_) checker.Violate("rule 12: work was given out in a drain");
  const Work work(given.lo, given.epoch);
  if (!running_[work].insert(given.mini_batch).second) {
    checker.Violate(fmt::format("mini-batch {} runs twice in one agent", given.mini_batch));
  }
  started_[work].insert(given.mini_batch);
  if (given.last_attempt != (given.attempt > config_.max_retries)) {
    checker.Violate("I6: last_attempt is wrong");
  }
  if (given.alone && core_.Running() != 1) checker.Violate("rule 9: alone, but others run");
  if (given.alone) {
    const ledger::ShardRecord* shard = checker.Find(given.lo);
    const bool owner = shard != nullptr && shard->epoch == given.epoch;
    if (owner && (shard->alone.empty() || shard->alone[0].mini_batch != given.mini_batch)) {
      checker.Violate("rule 9: run alone before its name was committed");
    }
  }
  --free_slots_;
  Nanos took = around_->time().Below(around_->work().longest_run) + Nanos(1000);
  if (given.mini_batch >= around_->work().slow_from) took *= 40;
  around_->time().After(took, [this, given, host = host_] { End(given, host); });
}

void SimAgent::End(const Assignment& given, uint64_t host) {
  if (!Serves() || host != host_) return;
  const Work work(given.lo, given.epoch);
  const bool deadly = around_->work().poison.contains(given.mini_batch) ||
                      (around_->Chaos() && around_->time().Chance(around_->work().host_death));
  if (deadly && running_[work].contains(given.mini_batch)) return HostDies(given);
  if (running_[work].erase(given.mini_batch) == 0) return;  // was dropped meanwhile
  ++free_slots_;
  const auto bad = around_->work().bad.find(given.mini_batch);
  const bool fails = bad != around_->work().bad.end() && given.attempt <= bad->second;
  Report(given, fails ? AttemptStatus::kRunException : AttemptStatus::kRunDone);
  Feed();
}

void SimAgent::Report(const Assignment& given, AttemptStatus status) {
  ledger::AttemptResult result;
  result.mini_batch = given.mini_batch;
  result.attempt = given.attempt;
  result.lo = given.lo;
  result.epoch = given.epoch;
  result.status = status;
  result.items_total = around_->work().shape.items_each;
  result.items_ok = status == AttemptStatus::kRunDone ? result.items_total : 0;
  result.busy = Nanos(1000);
  if (status != AttemptStatus::kRunDone) {
    result.error_hash = 1 + given.mini_batch % 12;
    result.error_text = "ValueError";
  }
  const ledger::Verdict verdict = core_.Finish(result, around_->time().Now());
  if (verdict == ledger::Verdict::kStale) return;
  Segment& segment = around_->checker().segments[stems_[given.lo]];
  ++segment.attempts;
  if (status != AttemptStatus::kRunDone) around_->checker().OnCharged(given.mini_batch);
  if (verdict != ledger::Verdict::kRetry) {
    segment.entries.push_back({given.mini_batch, given.attempt, verdict == ledger::Verdict::kFailed,
                               around_->time().Number(),
                               verdict == ledger::Verdict::kFailed ? 0 : 7U});
    const double large = around_->work().large_rows;
    if (large == 0 || !around_->time().Chance(large)) return;
    around_->time().After(Nanos(1000), [this] {
      if (Serves()) Handle(ledger::CommitWanted{});
    });
    return;
  }
  // A forked child of the failed call answers once more.
  if (!around_->time().Chance(0.3)) return;
  around_->time().After(around_->time().Below(Millis(20)), [this, result] {
    if (!Serves()) return;
    if (core_.Finish(result, around_->time().Now()) != ledger::Verdict::kStale) {
      around_->checker().Violate("the answer of an older attempt was taken");
    }
  });
}

void SimAgent::HostDies(const Assignment& by) {
  around_->time().Trace(fmt::format("{} slot host dies at {}", config_.holder, by.mini_batch));
  ++host_;
  free_slots_ = config_.slots * around_->work().frame;
  running_.clear();
  if (by.alone) Report(by, AttemptStatus::kProcessDied);
  Handle(ledger::SlotHostDied{});
}

bool SimAgent::StartedAtOrAbove(const ledger::ShardRecord& shard, uint64_t from) const {
  if (sender_.holder != shard.holder || sender_.incarnation != shard.incarnation) return false;
  const auto it = started_.find({shard.lo, shard.epoch});
  return it != started_.end() && it->second.lower_bound(from) != it->second.end();
}

size_t SimAgent::RunningIn(const ledger::ShardRecord& shard) const {
  if (!Serves() || sender_.incarnation != shard.incarnation || sender_.holder != shard.holder) {
    return 0;
  }
  const auto it = running_.find({shard.lo, shard.epoch});
  return it == running_.end() ? 0 : it->second.size();
}

void LookInto(const std::vector<std::unique_ptr<SimAgent>>& agents, Checker* checker) {
  checker->started_beyond = [&agents](const ledger::ShardRecord& shard, uint64_t from) {
    return std::any_of(agents.begin(), agents.end(), [&](const auto& agent) {
      return agent->alive() && agent->StartedAtOrAbove(shard, from);
    });
  };
  checker->running_calls = [&agents](const ledger::ShardRecord& shard) {
    size_t running = 0;
    for (const auto& agent : agents) running += agent->RunningIn(shard);
    return running;
  };
}

}  // namespace pj::sim
