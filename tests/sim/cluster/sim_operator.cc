#include "tests/sim/cluster/sim_operator.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "kube/leader_election.h"
#include "operator/cached_reader.h"
#include "operator/kinds.h"
#include "operator/reconcile.h"
#include "tests/sim/cluster/operator_api.h"

namespace pj::sim {
namespace {

using op::JobKey;

constexpr Nanos kBeat = Millis(500);
constexpr Nanos kOwnWrites = Millis(20);
constexpr Nanos kFirstBackoff = Millis(5);
constexpr Nanos kLongestBackoff = Seconds(1000);
constexpr int kSettleTurns = 5;
constexpr double kSettleChecks = 0.03;

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kinds = {"paralleljobs", "configmaps", "leases", "jobs",
                                                 "pods"};
  return kinds;
}

}  // namespace

// As the manager of the program: who leads reconciles each key that changed or is due; a failed
// turn comes again after a back-off; who lost the lead ends.
class SimOperator::Process {
 public:
  Process(Env* env, std::string identity)
      : env_(env),
        identity_(std::move(identity)),
        api_(env, identity_),
        reader_({.api = &api_,
                 .ns = kNs,
                 .clock = &env->time.clock(),
                 .seed = env->time.Seed(),
                 .changed = [this](const JobKey& key) { Add(key, Nanos(0)); }}),
        reconciler_({.api = &api_,
                     .reader = &reader_,
                     .clock = &env->time.clock(),
                     .job = {},
                     .wrote = [this](const auto& request,
                                     const auto& response) { reader_.Wrote(request, response); }}),
        election_(api_, {.ns = kOperatorNs,
                         .name = "paralleljob-operator",
                         .identity = identity_,
                         .clock = &env->time.clock(),
                         .seed = env->time.Seed()}) {
    Beat();
  }

  bool dead() const { return api_.dead(); }
  const std::string& identity() const { return identity_; }
  uint64_t turn_began() const { return turn_began_; }
  void Die() { api_.Die(); }
  bool Leads() const { return !dead() && election_.IsLeader(); }

  // A watch event of that kind is on its way.
  void Arrives(const std::string& plural) {
    if (dead() || !on_the_way_.insert(plural).second) return;
    const bool lags = env_->Chaos() && env_->scenario.longest_lag > Nanos(0);
    const Nanos lag = env_->time.Below(lags ? env_->scenario.longest_lag : Nanos(Millis(5)));
    env_->time.After(lag, [this, plural] {
      on_the_way_.erase(plural);
      See(plural);
    });
  }

 private:
  bool Stands() const { return dead() || api_.paused(); }

  void Beat() {
    if (dead()) return;
    env_->time.After(kBeat, [this] { Beat(); });
    if (api_.paused()) return;
    election_.Step(Millis(0));
    if (election_.state() == kube::LeaderState::kLost) {
      env_->time.Trace(identity_ + " lost the lead");
      return Die();
    }
    for (const std::string& kind : Kinds()) {
      if (!on_the_way_.contains(kind)) See(kind);
    }
    if (!Leads()) return;
    for (const JobKey& key : std::exchange(waiting_, {})) Add(key, Nanos(0));
  }

  void See(const std::string& plural) {
    if (Stands()) return;
    while (!dead() && reader_.Step(plural)) {
      if (env_->Chaos() && env_->scenario.longest_lag > Nanos(0) && env_->time.Chance(0.1)) {
        return Arrives(plural);  // the rest comes later
      }
    }
  }

  void Add(const JobKey& key, Nanos delay) {
    const Nanos at = env_->time.Now() + delay;
    const auto found = due_.find(key);
    if (found != due_.end() && found->second <= at) return;
    due_[key] = at;
    env_->time.After(delay, [this, key, at] {
      const auto it = due_.find(key);
      if (it == due_.end() || it->second != at) return;
      due_.erase(it);
      Turn(key);
    });
  }

  void Turn(const JobKey& key) {
    if (dead()) return;
    if (api_.paused() || busy_) return Add(key, kOwnWrites);
    if (!Leads() || !reader_.Synced()) {
      waiting_.insert(key);
      return;
    }
    if (!reader_.ShowsOwnWrites(key)) return Add(key, kOwnWrites);
    busy_ = true;
    turn_began_ = env_->writes;
    // In a burst of new jobs, which is nothing that a seed draws: now and then.
    const bool hurry = !reconciler_.Knows(key) && env_->writes % 2 == 0;
    const Result<Nanos> next = reconciler_.Reconcile(key, hurry);
    busy_ = false;
    if (dead()) return;
    if (!next) {
      const int failures = std::min(failures_[key]++, 30);
      env_->time.Trace(
          fmt::format("{} turn of {}: {}", identity_, key.ToString(), next.error().ToString()));
      return Add(key, std::min(kLongestBackoff, kFirstBackoff * (int64_t{1} << failures)));
    }
    failures_.erase(key);
    if (*next != op::kNever) Add(key, *next);
    if (env_->time.Chance(kSettleChecks)) CheckSettles(key);
  }

  // I11: in a world in which nobody else acts, an operator that has just started, and may write a
  // status as often as it likes, soon finds nothing more to write.
  void CheckSettles(const JobKey& key) {
    busy_ = true;
    api_.SetPerfect(true);
    ManualClock clock;
    clock.Set(env_->time.Now());
    op::ApiReader reader(&api_);
    op::ReconcilerOptions options{.api = &api_, .reader = &reader, .clock = &clock};
    options.job.status_interval = Nanos(0);
    op::Reconciler fresh(options);
    bool quiet = false;
    for (int i = 0; i < kSettleTurns && !quiet; ++i) {
      clock.Advance(Seconds(2));
      const uint64_t before = env_->writes;
      turn_began_ = before;
      if (!fresh.Reconcile(key)) continue;
      quiet = env_->writes == before;
    }
    api_.SetPerfect(false);
    busy_ = false;
    if (!quiet && !dead()) env_->Violate("I11: " + identity_ + " writes on and on");
  }

  Env* env_;
  const std::string identity_;
  OperatorApi api_;
  op::CachedReader reader_;
  op::Reconciler reconciler_;
  kube::LeaderElection election_;
  std::set<std::string> on_the_way_;
  std::map<JobKey, Nanos> due_;
  std::set<JobKey> waiting_;  // until we lead
  std::map<JobKey, int> failures_;
  bool busy_ = false;
  uint64_t turn_began_ = 0;
};

SimOperator::SimOperator(Env* env, int replica) : env_(env), replica_(replica) {}
SimOperator::~SimOperator() = default;

void SimOperator::Start() {
  const std::string identity = fmt::format("operator-{}.{}", replica_, ++starts_);
  env_->time.Trace("start of " + identity);
  processes_.push_back(std::make_unique<Process>(env_, identity));
}

void SimOperator::Kill() {
  if (!processes_.empty()) processes_.back()->Die();
}

void SimOperator::OnWrite(const SeenWrite& write) {
  if (!processes_.empty()) processes_.back()->Arrives(write.request.type.plural);
}

bool SimOperator::Leads() const { return !processes_.empty() && processes_.back()->Leads(); }

std::optional<uint64_t> SimOperator::TurnBegan(const std::string& identity) const {
  for (const auto& process : processes_) {
    if (process->identity() == identity) return process->turn_began();
  }
  return std::nullopt;
}

void SimOperator::Watch() {
  if (processes_.empty() || processes_.back()->dead()) Start();
  env_->time.After(Seconds(1) + env_->time.Below(Seconds(2)), [this] { Watch(); });
}

}  // namespace pj::sim
