#include "tests/sim/world.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace pj::sim {
namespace {

using ledger::Control;
using ledger::Reply;

constexpr Nanos kTick = Millis(200);
constexpr Nanos kQuietLimit = Seconds(120);
constexpr uint64_t kMaxRequests = 200'000;

std::unique_ptr<kube::MemoryApi> OpenApi(uint64_t seed, const Clock* clock) {
  kube::MemoryApiOptions options;
  options.uid_seed = seed + 1;
  options.clock = clock;
  return std::move(*kube::MemoryApi::Open(std::move(options)));
}

}  // namespace

Scenario Draw(uint64_t seed) {
  Rng rng(seed * 0x9E3779B97F4A7C15ULL + 11);
  Scenario s;
  s.seed = seed;
  s.local = rng.Below(2) == 0;
  DrawSize(&rng, &s.work);
  const bool calm = rng.Below(5) == 0;
  s.fault = calm ? 0 : 0.02 + 0.2 * rng.Unit();
  s.crash = calm ? 0 : 0.04 * rng.Unit();
  // Agents die, but the network is well: then nobody who lives is taken for dead.
  if (!s.local && rng.Below(4) == 0) s.fault = 0;
  s.work.host_death = rng.Below(3) == 0 ? 0.1 * rng.Unit() : 0;
  s.chaos = Millis(200) + Nanos(static_cast<int64_t>(rng.Below(3'000'000'000)));
  DrawFates(&rng, &s.work);
  return s;
}

World::World(Scenario scenario, bool verbose)
    : scenario_(std::move(scenario)),
      time_(scenario_.seed, verbose),
      checker_(scenario_.work.shape),
      api_(OpenApi(scenario_.seed, &time_.clock())),
      link_({.time = &time_,
             .api = api_.get(),
             .objects = {"default", scenario_.work.shape.job, scenario_.work.shape.identity},
             .checker = &checker_,
             .fault = scenario_.fault,
             .chaos = [this] { return Chaos(); }}),
      starts_(scenario_.work.instances, 0),
      watchdog_(scenario_.work.thresholds, Nanos(0)) {
  control_.tick = kTick;
  checker_.living_are_safe = !scenario_.local && scenario_.fault == 0;
  checker_.living = 2 * kTick;
  LookInto(agents_, &checker_);
  api_->SetFaultHook([this](const kube::Request& request) { return ServerFault(request); });
}

// --- Time
// -----------------------------------------------------------------------------------------

Outcome World::Run() {
  StartAll();
  time_.After(kTick, [this] { Poll(); });
  while (!time_.Empty() && checker_.violation().empty()) {
    if (time_.NextAt() > scenario_.chaos + kQuietLimit || link_.requests() > kMaxRequests) {
      checker_.Violate("I9: not finished in bounded time: " + Unfinished());
      break;
    }
    time_.RunNext(time_.NextAt());
  }
  if (checker_.violation().empty() && phase_ != Phase::kOver) {
    checker_.Violate("I9: nothing happens any more, but nothing is finished: " + Unfinished());
  }
  return {checker_.violation(), time_.trace(), link_.requests(), time_.Now()};
}

std::string World::Unfinished() const {
  std::string text = fmt::format("phase {};", static_cast<int>(phase_));
  for (const ledger::ShardRecord& shard : checker_.Shards()) {
    text +=
        fmt::format(" [{},{}) H {} left {} of {}/{}{};", shard.lo, shard.hi, shard.horizon,
                    shard.Left(), shard.holder, shard.incarnation, shard.sealed ? " sealed" : "");
  }
  for (const auto& agent : agents_) {
    if (agent->Serves())
      text += fmt::format(" {} {} lives;", agent->config().holder, agent->config().incarnation);
  }
  return text;
}

// --- Programs
// -------------------------------------------------------------------------------------

void World::StartAll() {
  ++programs_;
  control_.mode = Control::Mode::kRun;
  for (uint32_t i = 0; i < scenario_.work.instances; ++i) {
    time_.After(time_.Below(Millis(1)), [this, i, program = programs_] {
      if (program == programs_) StartAgent(i);
    });
  }
}

void World::StartAgent(uint32_t ordinal) {
  if (phase_ != Phase::kRunning || aborting_ || complete_) return;
  ledger::AgentConfig config;
  config.job = scenario_.work.shape.job;
  config.identity = scenario_.work.shape.identity;
  config.ordinal = ordinal;
  config.holder =
      scenario_.local ? fmt::format("instance-{}", ordinal) : ledger::WorkerName(ordinal);
  config.incarnation = scenario_.local ? fmt::format("program-{}", programs_)
                                       : fmt::format("pod-{}-{}", ordinal, ++starts_[ordinal]);
  config.mini_batches = scenario_.work.shape.mini_batches;
  config.roots = scenario_.work.shape.roots;
  config.slots = scenario_.work.slots;
  config.max_retries = scenario_.work.shape.max_retries;
  config.tick = kTick;
  config.local = scenario_.local;
  config.seed = time_.Seed();
  for (const auto& agent : agents_) {
    if (agent->config().ordinal == ordinal) agent->zombie = true;
  }
  agents_.push_back(std::make_unique<SimAgent>(this, config));
  time_.Trace(fmt::format("start {} {}", config.holder, config.incarnation));
  agents_.back()->Handle(ledger::Started{});
}

// Locally the whole program dies; in a cluster one agent, and sometimes only in the eyes of others.
void World::Crash(SimAgent* agent) {
  if (scenario_.local) {
    time_.Trace("crash of the program");
    for (const auto& each : agents_) each->Kill();
    ++programs_;  // agents of this one that have not started yet never will
    if (phase_ == Phase::kSealing) {
      sealer_.reset();  // the program made it
      phase_ = Phase::kRunning;
    }
    time_.After(Millis(1) + time_.Below(Millis(300)), [this] {
      if (phase_ == Phase::kRunning && !aborting_ && !complete_ && !AnybodyAlive()) StartAll();
    });
    return;
  }
  const uint32_t ordinal = agent->config().ordinal;
  if (agent->zombie) return;
  const bool lives_on = time_.Chance(0.4);
  time_.Trace(fmt::format("crash of {}{}", agent->config().holder, lives_on ? " (lives on)" : ""));
  if (!lives_on) agent->Kill();
  agent->zombie = true;
  // Some never come back: others must take over what they held.
  if (AnybodyAlive() && time_.Chance(0.3)) return time_.Trace("and does not come back");
  time_.After(Millis(1) + time_.Below(Millis(300)), [this, ordinal] { StartAgent(ordinal); });
}

void World::OnAgentEnded(SimAgent* agent) {
  time_.Trace(fmt::format("end of {} {}", agent->config().holder, static_cast<int>(agent->why())));
  if (agent->why() == ledger::Finished::Why::kComplete && !checker_.AllDone()) {
    checker_.Violate("an agent said complete before all was done");
  }
}

bool World::AnybodyAlive() const {
  return std::any_of(agents_.begin(), agents_.end(),
                     [](const auto& agent) { return agent->Serves() && !agent->zombie; });
}

// --- Network
// --------------------------------------------------------------------------------------

kube::Fault World::ServerFault(const kube::Request& request) {
  if (!Chaos() || !time_.Chance(scenario_.fault / 4)) return kube::Fault::kNone;
  const bool write = request.verb != kube::Verb::kGet;
  switch (time_.Pick(3)) {
    case 0:
      return write ? kube::Fault::kConflict : kube::Fault::kNone;
    case 1:
      return kube::Fault::kTooMany;
    default:
      return kube::Fault::kServerError;
  }
}

void World::Send(SimAgent* agent, const ledger::Call& call) {
  const bool crash = Chaos() && time_.Chance(scenario_.crash);
  const bool before = crash && time_.Chance(0.5);
  if (before) Crash(agent);
  if (!agent->alive()) return;
  link_.Deliver(agent->sender(), call, [agent](const Reply& reply) { agent->Handle(reply); });
  if (crash && !before) Crash(agent);
}

// --- Controller
// -----------------------------------------------------------------------------------

void World::Broadcast(const Control& control) {
  const auto decoded = ledger::DecodeControl(ledger::EncodeControl(control));
  if (!decoded || !(*decoded == control)) checker_.Violate("the control record's codec is broken");
  for (const auto& agent : agents_) {
    if (!agent->Serves()) continue;
    time_.After(time_.Below(Millis(5)),
                [each = agent.get(), control] { each->Handle(ledger::ControlChanged{control}); });
  }
}

void World::DisturbByControl() {
  Control control = control_;
  const bool slowing = scenario_.work.slow_from != UINT64_MAX;
  for (const ledger::ShardRecord& shard : checker_.Shards()) {
    if (time_.Chance(0.3)) control.hints.push_back(shard.lo);
    if (time_.Chance(slowing ? 0.9 : 0.3)) control.retract.push_back(shard.lo);
  }
  if (time_.Chance(slowing ? 0.03 : 0.1)) {
    time_.Trace("drain");
    control.mode = Control::Mode::kDrain;
    control_.mode = Control::Mode::kDrain;
  }
  Broadcast(control);
}

void World::JudgeNow() {
  const policy::Sums sums = policy::Sum(checker_.Shards(), scenario_.work.shape.mini_batches);
  const policy::Verdict verdict = watchdog_.Judge(sums, true, false, time_.Now());
  const bool must_fail = checker_.ExceedsThresholds(scenario_.work.thresholds);
  if (must_fail != (verdict.state == policy::JobState::kFailed)) {
    checker_.Violate(fmt::format("I5: {} failed, and the verdict is {}",
                                 checker_.FailedMiniBatches(), verdict.reason));
  }
  if (!must_fail && checker_.AllDone() != (verdict.state == policy::JobState::kComplete)) {
    checker_.Violate("I5: complete too early or too late");
  }
  if (verdict.state == policy::JobState::kFailed && !aborting_) {
    time_.Trace("abort: " + verdict.reason);
    aborting_ = true;
    control_.mode = Control::Mode::kAbort;
    Broadcast(control_);
  }
}

void World::Poll() {
  if (phase_ != Phase::kRunning) return;
  JudgeNow();
  const bool alive = AnybodyAlive();
  const auto ended_as = [this](ledger::Finished::Why why) {
    return std::any_of(agents_.begin(), agents_.end(), [why](const auto& agent) {
      return !agent->zombie && agent->ended() && agent->why() == why;
    });
  };
  complete_ = complete_ || (!alive && ended_as(ledger::Finished::Why::kComplete));
  if (complete_ || (aborting_ && (!alive || time_.Chance(0.5)))) {
    StartSeal();
  } else if (!alive && control_.mode == Control::Mode::kDrain) {
    time_.Trace("resume");
    StartAll();
  } else if (!aborting_ && Chaos() && control_.mode == Control::Mode::kRun &&
             time_.Chance(scenario_.work.slow_from != UINT64_MAX ? 0.9 : 0.3)) {
    DisturbByControl();
  }
  time_.After(kTick, [this] { Poll(); });
}

// --- Seal
// -----------------------------------------------------------------------------------------

void World::StartSeal() {
  phase_ = Phase::kSealing;
  time_.Trace("seal");
  sealer_ = std::make_unique<ledger::Sealer>(
      scenario_.work.shape.job, scenario_.work.shape.identity, scenario_.work.shape.mini_batches,
      scenario_.work.shape.roots, fmt::format("seal-{}", time_.Number()));
  SealStep(nullptr);
}

void World::SealStep(const Reply* reply) {
  auto call = sealer_->Step(reply);
  if (!call) return checker_.Violate("the seal failed: " + call.error().ToString());
  if (*call) {
    Sender sender;
    sender.seal = true;
    sender.incarnation = "seal";
    // Answers to a program that died reach nobody.
    link_.Deliver(sender, **call, [this, program = programs_](const Reply& answer) {
      if (phase_ == Phase::kSealing && program == programs_) SealStep(&answer);
    });
    return;
  }
  phase_ = Phase::kOver;
  const std::vector<ledger::ShardRecord> shards = sealer_->TakeShards();
  checker_.OnSealed(shards, complete_ && !aborting_);
  const policy::Sums sums = policy::Sum(shards, scenario_.work.shape.mini_batches);
  const policy::Verdict verdict = policy::FinalVerdict(sums, scenario_.work.thresholds);
  time_.Trace("verdict: " + verdict.reason);
  if (complete_ && !aborting_ && verdict.state == policy::JobState::kRunning) {
    checker_.Violate("I5: all is done and the final verdict is none");
  }
  if (sums.counters.mini_batches_failed != checker_.FailedMiniBatches()) {
    checker_.Violate("I5: the final sums differ from the ledger");
  }
}

}  // namespace pj::sim
