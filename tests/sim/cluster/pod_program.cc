#include "tests/sim/cluster/pod_program.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "job/pod_contract.h"
#include "ledger/plants.h"
#include "tests/sim/cluster/sim_job.h"

namespace pj::sim {
namespace {

constexpr Nanos kPoll = Millis(500);
constexpr Nanos kIdlePoll = Seconds(1);
constexpr Nanos kCutOffLife = Seconds(90);  // of processes that nobody reaches
constexpr int kLeaseTicks = 3;

}  // namespace

PodProgram::PodProgram(SimJob* job, PodStart start) : job_(job), start_(std::move(start)) {}
PodProgram::~PodProgram() = default;

// --- The processes -------------------------------------------------------------------------------

std::function<void()> PodProgram::Own(std::function<void()> action) {
  return [this, life = life_, action = std::move(action)] {
    if (alive_ && life == life_) action();
  };
}

void PodProgram::Start() {
  alive_ = true;
  BeginLife();
}

void PodProgram::BeginLife() {
  ++life_;
  wait_ = 0;
  control_.reset();
  gone_ = planned_ = decided_ = holds_lease_ = false;
  planner_since_.reset();
  agent_ = nullptr;
  election_.reset();
  sealer_.reset();
  incarnation_ = fmt::format("{}/{}", start_.uid, job_->time().Number());
  ControlChanged();
  Turn();
}

void PodProgram::Stop() {
  if (!alive_ || std::exchange(stopped_, true)) return;
  Told();
  Wake();
}

void PodProgram::Kill() {
  if (agent_ != nullptr) job_->Killed(agent_);
  agent_ = nullptr;
  alive_ = false;
}

void PodProgram::Crash() {
  if (!alive_) return;
  job_->time().Trace("crash of the agent of " + start_.name);
  if (agent_ != nullptr) job_->Killed(agent_);
  agent_ = nullptr;
  ++life_;
  job_->time().After(Millis(1) + job_->time().Below(Millis(500)), Own([this] {
                       if (stopped_) return Exit(job::kExitGone);
                       BeginLife();
                     }));
}

void PodProgram::CutOff() {
  cut_off_ = true;
  job_->link().Cut(incarnation_);
  job_->time().After(kCutOffLife, [this] { Kill(); });
}

void PodProgram::Exit(int code) {
  alive_ = false;
  start_.exited(code);
}

// --- Waiting and asking --------------------------------------------------------------------------

void PodProgram::Wait(Nanos most) {
  wait_ = job_->time().Number();
  job_->time().After(most, Own([this, wait = wait_] {
                       if (wait == wait_) Turn();
                     }));
}

void PodProgram::Wake() {
  if (wait_ == 0) return;
  wait_ = 0;
  job_->time().After(Nanos(1000), Own([this] { Turn(); }));
}

void PodProgram::Read(std::function<void(bool arrived)> then) {
  const bool arrives = !cut_off_ && !job_->env()->Faulty();
  job_->time().After(Nanos(1000) + job_->time().Below(Millis(4)),
                     Own([arrives, then = std::move(then)] { then(arrives); }));
}

// Whoever writes does not learn whether it arrived: it reads again.
void PodProgram::Write(std::function<void()> write, std::function<void()> then) {
  Timeline& time = job_->time();
  const Nanos there = Nanos(1000) + time.Below(Millis(2));
  if (!cut_off_ && !job_->env()->Faulty()) time.After(there, std::move(write));
  time.After(there + Nanos(1000) + time.Below(Millis(2)), Own(std::move(then)));
}

void PodProgram::ControlChanged() {
  if (!alive_) return;
  const Nanos lag = job_->time().Below(job_->Chaos() ? Millis(800) : Millis(5));
  job_->time().After(lag, Own([this] {
                       if (cut_off_) return;
                       const auto control = job_->store().LoadControl();
                       if (!control) return ControlChanged();
                       if (!*control) {
                         // Before the operator made it, or after the job was deleted.
                         gone_ = control_.has_value() || job_->deleted();
                         return Wake();
                       }
                       if (control_ == **control) return;
                       control_ = **control;
                       Told();
                       Wake();
                     }));
}

// The agent hears what we were told; whoever is on the way out hears only that it is over.
void PodProgram::Told() {
  if (agent_ == nullptr) return;
  ledger::Control said = control_.value_or(ledger::Control{.tick = kTick});
  if (stopped_ && said.mode != Mode::kAbort) said.mode = Mode::kDrain;
  job_->Tell(agent_, said);
}

// --- The turns -----------------------------------------------------------------------------------

void PodProgram::Turn() {
  wait_ = 0;
  if (agent_ != nullptr) return;
  if (stopped_) {
    Hold(false);
    return Exit(job::kExitGone);
  }
  Read([this](bool arrived) {
    const auto result = arrived ? job_->store().LoadResult().value_or(std::nullopt) : std::nullopt;
    if (result) {
      Hold(false);
      return Exit(0);
    }
    if (gone_) return Exit(job::kExitGone);
    Act();
  });
}

void PodProgram::Act() {
  if (start_.finaliser || decided_) return EndTheJob();
  if (!control_) return Wait(kPoll);
  switch (control_->mode) {
    case Mode::kAbort:
      return EndTheJob();
    case Mode::kDrain:
      Hold(false);
      return Wait(control_->tick);
    case Mode::kRun:
      return planned_ ? Work() : Plan();
  }
}

void PodProgram::Plan() {
  Hold(true);
  Read([this](bool arrived) {
    const auto plan = arrived
                          ? job_->store().LoadPlan()
                          : Result<std::optional<job::PlanFacts>>(Fail(Code::kUnavailable, "lost"));
    if (plan && *plan) {
      planned_ = true;
      return Work();
    }
    if (!plan || !MayPlan()) return Wait(kPoll);
    const Workload& work = job_->work();
    const job::PlanFacts facts{.hash = "h",
                               .mini_batches = work.shape.mini_batches,
                               .roots = work.shape.roots,
                               .items = work.shape.mini_batches * work.shape.items_each};
    job_->time().After(job_->time().Below(Seconds(2)), Own([this, facts] {
                         Write(
                             [this, facts] { static_cast<void>(job_->store().CreatePlan(facts)); },
                             [this] { Turn(); });
                       }));
  });
}

// Ordinal 0, and others once its Lease has run out on our own clock.
bool PodProgram::MayPlan() {
  if (start_.ordinal == 0) return true;
  const auto seen = job_->ReadLease(ledger::WorkerName(0));
  if (!seen) return false;
  const Nanos now = job_->time().Now();
  if (!planner_since_ || *seen != planner_sign_) {
    planner_since_ = now;
    planner_sign_ = *seen;
  }
  return now - *planner_since_ >= kLeaseTicks * kTick;
}

void PodProgram::Work() {
  Hold(false);
  const Workload& work = job_->work();
  incarnation_ = fmt::format("{}/{}", start_.uid, job_->time().Number());
  if (cut_off_) job_->link().Cut(incarnation_);
  ledger::AgentConfig config;
  config.job = job_->objects().job;
  config.identity = job_->objects().identity;
  config.ordinal = start_.ordinal;
  config.holder = ledger::WorkerName(start_.ordinal);
  config.incarnation = incarnation_;
  config.mini_batches = work.shape.mini_batches;
  config.roots = work.shape.roots;
  config.slots = work.slots;
  config.max_retries = work.shape.max_retries;
  config.tick = control_->tick;
  config.local = false;
  config.seed = job_->time().Seed();
  agent_ = job_->NewAgent(this, config);
  Told();
  job_->Begin(agent_);
  WatchIdleness();
}

// An idle agent asks whether the job has ended; one on its way out is cut short in the end.
void PodProgram::WatchIdleness() {
  job_->time().After(kIdlePoll, Own([this, agent = agent_] {
                       if (agent_ != agent) return;
                       WatchIdleness();
                       if (agent->Running() > 0) return;
                       Read([this, agent](bool arrived) {
                         if (agent_ != agent || !arrived) return;
                         const auto result = job_->store().LoadResult();
                         if (result && *result)
                           job_->Tell(agent, {.mode = Mode::kAbort, .tick = kTick});
                       });
                     }));
}

void PodProgram::AgentEnded(bool stalled) {
  const SimAgent* agent = std::exchange(agent_, nullptr);
  if (agent == nullptr) return;
  const ledger::Finished::Why why = agent->why();
  const Nanos pause = stalled ? Seconds(1) : Nanos(1000);
  job_->time().After(pause, Own([this, stalled, why] {
                       using Why = ledger::Finished::Why;
                       if (!stalled && why == Why::kComplete) decided_ = true;
                       if (ForgetsRule12() && decided_) return Exit(0);
                       if (!stalled && why == Why::kAborted && !stopped_) decided_ = true;
                       Turn();
                     }));
}

// --- The end -------------------------------------------------------------------------------------

void PodProgram::EndTheJob() {
  decided_ = true;
  Hold(true);
  if (election_ == nullptr) {
    kube::LeaderOptions options{.ns = kNs,
                                .name = job_->objects().Name("fin"),
                                .identity = incarnation_,
                                .clock = &job_->time().clock(),
                                .seed = job_->time().Seed()};
    options.lease = 3 * std::chrono::ceil<Seconds>(kTick);
    options.renew = 2 * std::chrono::ceil<Seconds>(kTick);
    options.retry = std::chrono::ceil<Seconds>(kTick);
    options.meta = job_->objects().Meta(options.name);
    election_ = std::make_unique<kube::LeaderElection>(*job_->api(), options);
  }
  EndStep();
}

void PodProgram::EndStep() {
  if (!cut_off_) election_->Step(Millis(0));
  if (election_->state() == kube::LeaderState::kLost) election_.reset();
  if (election_ == nullptr || !election_->IsLeader()) return Wait(kPoll);
  if (sealer_ != nullptr) return Wait(kPoll);
  const JobShape& shape = job_->work().shape;
  const auto plan = job_->store().LoadPlan();
  if (!plan) return Wait(kPoll);
  if (!*plan) return Sealed();  // nothing to seal
  sealer_ =
      std::make_unique<ledger::Sealer>(job_->objects().job, job_->objects().identity,
                                       shape.mini_batches, shape.roots, incarnation_ + "/seal");
  Seal(nullptr);
}

void PodProgram::Seal(const ledger::Reply* reply) {
  auto call = sealer_->Step(reply);
  if (!call) {
    if (!job_->deleted() && !cut_off_)
      job_->checker().Violate("the seal failed: " + call.error().ToString());
    sealer_.reset();
    return Wait(kPoll);
  }
  if (!*call) return Sealed();
  const Sender sender{.holder = {}, .incarnation = incarnation_, .seal = true};
  job_->link().Deliver(sender, **call, [this, life = life_](const ledger::Reply& answer) {
    if (alive_ && life == life_ && sealer_ != nullptr) Seal(&answer);
  });
}

void PodProgram::Sealed() {
  std::vector<ledger::ShardRecord> shards;
  if (sealer_ != nullptr) shards = sealer_->TakeShards();
  const bool planned = sealer_ != nullptr;
  sealer_.reset();
  const auto control = job_->store().LoadControl();
  if (!control) return Wait(kPoll);
  const job::StoredResult result = job_->ResultOf(std::move(shards), planned, *control);
  // Publishing takes a while.
  job_->time().After(
      job_->time().Below(Seconds(2)), Own([this, result] {
        Write([this, result] { static_cast<void>(job_->store().CreateResult(result)); },
              [this] { Turn(); });
      }));
}

bool PodProgram::ForgetsRule12() { return ledger::Planted(ledger::Plant::kForgetsRule12); }

// --- The Lease, while no agent writes it ---------------------------------------------------------

void PodProgram::Hold(bool held) {
  if (held == holds_lease_) return;
  holds_lease_ = held;
  if (start_.finaliser || cut_off_) return;
  if (!held) return job_->WriteLease(start_.ordinal, "", false);
  KeepLease();
}

void PodProgram::KeepLease() {
  if (!holds_lease_ || cut_off_) return;
  job_->WriteLease(start_.ordinal, incarnation_, decided_);
  job_->time().After(kTick, Own([this] { KeepLease(); }));
}

}  // namespace pj::sim
