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
  s.instances = 1 + static_cast<uint32_t>(rng.Below(4));
  s.slots = 1 + static_cast<uint32_t>(rng.Below(3));
  constexpr uint64_t kSizes[] = {8, 24, 24, 120, 300};
  s.shape.mini_batches = 1 + rng.Below(kSizes[rng.Below(5)]);
  s.frame = rng.Below(2) == 0 ? 1 : 1 + static_cast<uint32_t>(rng.Below(8));
  // More roots than instances, as very large jobs have.
  const uint64_t wanted = s.instances + (rng.Below(2) == 0 ? 0 : rng.Below(8));
  s.shape.roots = ledger::RootCount(s.shape.mini_batches, wanted);
  s.shape.max_retries = static_cast<int64_t>(rng.Below(3));
  s.shape.items_each = 1 + rng.Below(3);
  if (rng.Below(3) == 0)
    s.thresholds.mini_batch_error_threshold = static_cast<int64_t>(rng.Below(4));
  if (rng.Below(5) == 0) s.thresholds.error_threshold = static_cast<int64_t>(rng.Below(6));
  const bool calm = rng.Below(5) == 0;
  s.fault = calm ? 0 : 0.02 + 0.2 * rng.Unit();
  s.crash = calm ? 0 : 0.04 * rng.Unit();
  // Agents die, but the network is well: then nobody who lives is taken for dead.
  if (!s.local && rng.Below(4) == 0) s.fault = 0;
  s.host_death = rng.Below(3) == 0 ? 0.1 * rng.Unit() : 0;
  s.chaos = Millis(200) + Nanos(static_cast<int64_t>(rng.Below(3'000'000'000)));
  s.longest_run =
      Millis(1) +
      Nanos(static_cast<int64_t>(rng.Below(rng.Below(2) == 0 ? 20'000'000 : 200'000'000)));
  // Quick ones first and slow ones later: horizons must come back down.
  if (rng.Below(3) == 0) {
    s.slow_from = rng.Below(s.shape.mini_batches / 2 + 1);
    s.longest_run = Millis(3);
  }
  for (uint64_t i = 0; i < s.shape.mini_batches; ++i) {
    if (rng.Below(8) == 0) s.bad[i] = 1 + static_cast<uint32_t>(rng.Below(4));
    if (rng.Below(60) == 0) s.poison.insert(i);
  }
  return s;
}

World::World(Scenario scenario, bool verbose)
    : scenario_(std::move(scenario)),
      verbose_(verbose),
      rng_(scenario_.seed),
      checker_(scenario_.shape),
      api_(OpenApi(scenario_.seed, &clock_)),
      store_(api_.get(), {"default", scenario_.shape.job, scenario_.shape.identity}),
      starts_(scenario_.instances, 0),
      watchdog_(scenario_.thresholds, Nanos(0)) {
  control_.tick = kTick;
  checker_.living_are_safe = !scenario_.local && scenario_.fault == 0;
  checker_.living = 2 * kTick;
  checker_.started_beyond = [this](const ledger::ShardRecord& shard, uint64_t from) {
    return std::any_of(agents_.begin(), agents_.end(), [&](const auto& agent) {
      return agent->alive() && agent->StartedAtOrAbove(shard, from);
    });
  };
  checker_.running_calls = [this](const ledger::ShardRecord& shard) {
    size_t running = 0;
    for (const auto& agent : agents_) running += agent->RunningIn(shard);
    return running;
  };
  api_->SetFaultHook([this](const kube::Request& request) { return ServerFault(request); });
}

// --- Time
// -----------------------------------------------------------------------------------------

void World::After(Nanos delay, std::function<void()> action) {
  events_.emplace(std::pair(Now() + delay, ++sequence_), std::move(action));
}

Nanos World::Below(Nanos bound) {
  return Nanos(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(bound.count()) + 1)));
}

void World::Trace(const std::string& line) {
  const std::string stamped = fmt::format("{:>12} {}\n", Now().count() / 1000, line);
  trace_ = Crc32c(stamped, trace_);
  if (verbose_) fmt::print("{}", stamped);
}

Outcome World::Run() {
  StartAll();
  After(kTick, [this] { Poll(); });
  while (!events_.empty() && checker_.violation().empty()) {
    auto first = events_.begin();
    if (first->first.first > scenario_.chaos + kQuietLimit || requests_ > kMaxRequests) {
      checker_.Violate("I9: not finished in bounded time: " + Unfinished());
      break;
    }
    clock_.Set(first->first.first);
    auto action = std::move(first->second);
    events_.erase(first);
    action();
  }
  if (checker_.violation().empty() && phase_ != Phase::kOver) {
    checker_.Violate("I9: nothing happens any more, but nothing is finished: " + Unfinished());
  }
  return {checker_.violation(), trace_, requests_, Now()};
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
  for (uint32_t i = 0; i < scenario_.instances; ++i) {
    After(Below(Millis(1)), [this, i, program = programs_] {
      if (program == programs_) StartAgent(i);
    });
  }
}

void World::StartAgent(uint32_t ordinal) {
  if (phase_ != Phase::kRunning || aborting_ || complete_) return;
  ledger::AgentConfig config;
  config.job = scenario_.shape.job;
  config.identity = scenario_.shape.identity;
  config.ordinal = ordinal;
  config.holder =
      scenario_.local ? fmt::format("instance-{}", ordinal) : ledger::WorkerName(ordinal);
  config.incarnation = scenario_.local ? fmt::format("program-{}", programs_)
                                       : fmt::format("pod-{}-{}", ordinal, ++starts_[ordinal]);
  config.mini_batches = scenario_.shape.mini_batches;
  config.roots = scenario_.shape.roots;
  config.slots = scenario_.slots;
  config.max_retries = scenario_.shape.max_retries;
  config.tick = kTick;
  config.local = scenario_.local;
  config.seed = rng_.Next();
  for (const auto& agent : agents_) {
    if (agent->config().ordinal == ordinal) agent->zombie = true;
  }
  agents_.push_back(std::make_unique<SimAgent>(this, config));
  Trace(fmt::format("start {} {}", config.holder, config.incarnation));
  agents_.back()->Handle(ledger::Started{});
}

// Locally the whole program dies; in a cluster one agent, and sometimes only in the eyes of others.
void World::Crash(SimAgent* agent) {
  if (scenario_.local) {
    Trace("crash of the program");
    for (const auto& each : agents_) each->Kill();
    ++programs_;  // agents of this one that have not started yet never will
    if (phase_ == Phase::kSealing) {
      sealer_.reset();  // the program made it
      phase_ = Phase::kRunning;
    }
    After(Millis(1) + Below(Millis(300)), [this] {
      if (phase_ == Phase::kRunning && !aborting_ && !complete_ && !AnybodyAlive()) StartAll();
    });
    return;
  }
  const uint32_t ordinal = agent->config().ordinal;
  if (agent->zombie) return;
  const bool lives_on = Chance(0.4);
  Trace(fmt::format("crash of {}{}", agent->config().holder, lives_on ? " (lives on)" : ""));
  if (!lives_on) agent->Kill();
  agent->zombie = true;
  // Some never come back: others must take over what they held.
  if (AnybodyAlive() && Chance(0.3)) return Trace("and does not come back");
  After(Millis(1) + Below(Millis(300)), [this, ordinal] { StartAgent(ordinal); });
}

void World::OnAgentEnded(SimAgent* agent) {
  Trace(fmt::format("end of {} {}", agent->config().holder, static_cast<int>(agent->why())));
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
  if (!Chaos() || !Chance(scenario_.fault / 4)) return kube::Fault::kNone;
  const bool write = request.verb != kube::Verb::kGet;
  switch (rng_.Below(3)) {
    case 0:
      return write ? kube::Fault::kConflict : kube::Fault::kNone;
    case 1:
      return kube::Fault::kTooMany;
    default:
      return kube::Fault::kServerError;
  }
}

Reply World::Carry(const Sender& sender, const ledger::Call& call) {
  Reply reply = store_.Do(call).value();
  Trace(fmt::format("{} {} {} {} -> {}", sender.seal ? "seal" : sender.holder, sender.incarnation,
                    static_cast<int>(call.op), call.name, static_cast<int>(reply.outcome)));
  using Op = ledger::Call::Op;
  if (reply.outcome != Reply::Outcome::kOk || call.op == Op::kGet || call.op == Op::kGetLease) {
    return reply;
  }
  checker_.OnSign(sender, Now());
  if (call.op == Op::kCreate || call.op == Op::kPut) checker_.OnWrite(sender, call.record);
  return reply;
}

void World::Deliver(const Sender& sender, const ledger::Call& call,
                    std::function<void(const Reply&)> answer) {
  if (++requests_ > kMaxRequests) return;
  const bool faulty = Chaos() && Chance(scenario_.fault);
  const uint64_t kind = faulty ? rng_.Below(4) : 3;
  const Nanos slowest = faulty && kind == 3 ? Millis(150) : Millis(2);
  const Nanos there = Nanos(1000) + Below(slowest);
  const Nanos back = Nanos(1000) + Below(slowest);
  Reply lost;
  lost.id = call.id;
  lost.outcome = Reply::Outcome::kUnknown;
  if (kind == 0) {  // never arrives
    After(there + back, [answer, lost] { answer(lost); });
  } else if (kind == 1) {  // arrives, the answer does not
    After(there, [this, sender, call] { Carry(sender, call); });
    After(there + back, [answer, lost] { answer(lost); });
  } else if (kind == 2) {  // given up, and arrives long after
    After(there + back, [answer, lost] { answer(lost); });
    After(there + back + Below(Millis(300)), [this, sender, call] { Carry(sender, call); });
  } else {
    After(there, [this, sender, call, back, answer = std::move(answer)] {
      const Reply reply = Carry(sender, call);
      After(back, [answer, reply] { answer(reply); });
    });
  }
}

void World::Send(SimAgent* agent, const ledger::Call& call) {
  const bool crash = Chaos() && Chance(scenario_.crash);
  const bool before = crash && Chance(0.5);
  if (before) Crash(agent);
  if (!agent->alive()) return;
  Deliver(agent->sender(), call, [agent](const Reply& reply) { agent->Handle(reply); });
  if (crash && !before) Crash(agent);
}

// --- Controller
// -----------------------------------------------------------------------------------

void World::Broadcast(const Control& control) {
  const auto decoded = ledger::DecodeControl(ledger::EncodeControl(control));
  if (!decoded || !(*decoded == control)) checker_.Violate("the control record's codec is broken");
  for (const auto& agent : agents_) {
    if (!agent->Serves()) continue;
    After(Below(Millis(5)),
          [each = agent.get(), control] { each->Handle(ledger::ControlChanged{control}); });
  }
}

void World::DisturbByControl() {
  Control control = control_;
  const bool slowing = scenario_.slow_from != UINT64_MAX;
  for (const ledger::ShardRecord& shard : checker_.Shards()) {
    if (Chance(0.3)) control.hints.push_back(shard.lo);
    if (Chance(slowing ? 0.9 : 0.3)) control.retract.push_back(shard.lo);
  }
  if (Chance(slowing ? 0.03 : 0.1)) {
    Trace("drain");
    control.mode = Control::Mode::kDrain;
    control_.mode = Control::Mode::kDrain;
  }
  Broadcast(control);
}

void World::JudgeNow() {
  const policy::Sums sums = policy::Sum(checker_.Shards(), scenario_.shape.mini_batches);
  const policy::Verdict verdict = watchdog_.Judge(sums, true, false, Now());
  const policy::Thresholds& t = scenario_.thresholds;
  const auto over = [](uint64_t count, int64_t threshold) {
    return threshold >= 0 && count > static_cast<uint64_t>(threshold);
  };
  const bool must_fail = over(checker_.FailedMiniBatches(), t.mini_batch_error_threshold) ||
                         over(checker_.FailedItems(), t.error_threshold);
  if (must_fail != (verdict.state == policy::JobState::kFailed)) {
    checker_.Violate(fmt::format("I5: {} failed, and the verdict is {}",
                                 checker_.FailedMiniBatches(), verdict.reason));
  }
  if (!must_fail && checker_.AllDone() != (verdict.state == policy::JobState::kComplete)) {
    checker_.Violate("I5: complete too early or too late");
  }
  if (verdict.state == policy::JobState::kFailed && !aborting_) {
    Trace("abort: " + verdict.reason);
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
  if (complete_ || (aborting_ && (!alive || Chance(0.5)))) {
    StartSeal();
  } else if (!alive && control_.mode == Control::Mode::kDrain) {
    Trace("resume");
    StartAll();
  } else if (!aborting_ && Chaos() && control_.mode == Control::Mode::kRun &&
             Chance(scenario_.slow_from != UINT64_MAX ? 0.9 : 0.3)) {
    DisturbByControl();
  }
  After(kTick, [this] { Poll(); });
}

// --- Seal
// -----------------------------------------------------------------------------------------

void World::StartSeal() {
  phase_ = Phase::kSealing;
  Trace("seal");
  sealer_ = std::make_unique<ledger::Sealer>(scenario_.shape.job, scenario_.shape.identity,
                                             scenario_.shape.mini_batches, scenario_.shape.roots,
                                             fmt::format("seal-{}", ++sequence_));
  SealStep(nullptr);
}

void World::SealStep(const Reply* reply) {
  auto call = sealer_->Step(reply);
  if (!call) return checker_.Violate("the seal failed: " + call.error().ToString());
  if (*call) {
    Sender sender;
    sender.seal = true;
    sender.incarnation = "seal";
    Deliver(sender, **call, [this](const Reply& answer) {
      if (phase_ == Phase::kSealing) SealStep(&answer);
    });
    return;
  }
  phase_ = Phase::kOver;
  const std::vector<ledger::ShardRecord> shards = sealer_->TakeShards();
  checker_.OnSealed(shards, complete_ && !aborting_);
  const policy::Sums sums = policy::Sum(shards, scenario_.shape.mini_batches);
  const policy::Verdict verdict = policy::FinalVerdict(sums, scenario_.thresholds);
  Trace("verdict: " + verdict.reason);
  if (complete_ && !aborting_ && verdict.state == policy::JobState::kRunning) {
    checker_.Violate("I5: all is done and the final verdict is none");
  }
  if (sums.counters.mini_batches_failed != checker_.FailedMiniBatches()) {
    checker_.Violate("I5: the final sums differ from the ledger");
  }
}

}  // namespace pj::sim
