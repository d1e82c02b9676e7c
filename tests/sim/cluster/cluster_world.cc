#include "tests/sim/cluster/cluster_world.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json.h"
#include "job/pod_contract.h"
#include "operator/kinds.h"

namespace pj::sim {
namespace {

constexpr Nanos kQuietLimit = Seconds(30 * 60);
constexpr Nanos kCalmAfter = Seconds(150);  // stragglers, last pods
constexpr Nanos kSilence = Seconds(10 * 60);
constexpr Nanos kDeletion = Seconds(150);

}  // namespace

ClusterWorld::ClusterWorld(ClusterScenario scenario, bool verbose)
    : env_(std::move(scenario), verbose),
      kubernetes_(&env_,
                  [this](const PodStart& start) -> PodProgram* {
                    const auto run = start.labels.find(job::kRunLabel);
                    SimJob* job = run == start.labels.end() ? nullptr : user_.FindRun(run->second);
                    if (job == nullptr) return nullptr;
                    PodStart checked = start;
                    checked.exited = [this, job, exited = start.exited](int code) {
                      if (code == 0 && !job->ended() && !job->deleted()) {
                        env_.Violate("rule 12: a pod ended well before there is a `result`");
                      }
                      exited(code);
                    };
                    return job->NewProgram(checked);
                  }),
      user_(&env_),
      writes_(&env_, {.job = [this](const std::string& uid) { return user_.Find(uid); },
                      .most_instances =
                          [this](const std::string& uid) { return user_.MostInstances(uid); },
                      .turn_began = [this](const std::string& identity) -> std::optional<uint64_t> {
                        for (const auto& each : operators_) {
                          if (const auto began = each->TurnBegan(identity)) return began;
                        }
                        return std::nullopt;
                      }}) {
  env_.watchers.push_back([this](const SeenWrite& write) { OnWrite(write); });
  env_.on_pause = [this] { TemptOperators(); };
}

// While one hangs and another leads, the user changes the job: what was decided before is wrong.
void ClusterWorld::TemptOperators() {
  for (int i = 0; i < 2; ++i) {
    env_.time.After(env_.time.Below(Seconds(25)), [this] {
      if (!env_.Chaos()) return;
      if (env_.time.Chance(0.4)) return user_.Scale();
      user_.ToggleSuspend();
    });
  }
}

void ClusterWorld::OnWrite(const SeenWrite& write) {
  env_.time.Trace(fmt::format("{} {} {} {}", write.actor, static_cast<int>(write.request.verb),
                              write.request.type.plural, write.request.name));
  writes_.OnWrite(write);
  for (const auto& job : user_.jobs()) job->OnWrite(write);
  for (const auto& each : operators_) each->OnWrite(write);
  kubernetes_.OnWrite(write);
}

// --- Chaos ---------------------------------------------------------------------------------------

void ClusterWorld::Every(Nanos mean, const std::function<void()>& action) {
  if (mean == Nanos(0)) return;
  env_.time.After(env_.time.Below(2 * mean), [this, mean, action] {
    if (!env_.Chaos()) return;
    action();
    Every(mean, action);
  });
}

void ClusterWorld::Disturb() {
  const ClusterScenario& s = env_.scenario;
  Every(s.suspends, [this] { user_.ToggleSuspend(); });
  Every(s.scales, [this] { user_.Scale(); });
  Every(s.recreates, [this] { user_.Recreate(); });
  Every(s.freezes, [this] {
    if (SimJob* job = user_.Main()) job->FreezeAgent();
  });
  Every(s.hand_deletes, [this] { user_.DeleteJob(); });
  Every(s.pod_kills, [this] { kubernetes_.KillPod(); });
  Every(s.node_losses, [this] { kubernetes_.LoseNode(); });
  Every(s.operator_kills, [this] { operators_[env_.time.Pick(operators_.size())]->Kill(); });
  Every(s.compactions, [this] {
    kubernetes_.CatchUp();
    env_.memory->Compact();
  });
}

// --- The course ----------------------------------------------------------------------------------

void ClusterWorld::CheckEvent() {
  for (const auto& job : user_.jobs()) {
    // Of a deleted job nothing counts any more.
    if (!job->deleted() && !job->checker().violation().empty())
      env_.Violate(job->checker().violation());
  }
  for (const auto& [run, count] : kubernetes_.LivePods()) {
    const SimJob* job = user_.FindRun(run);
    const int64_t most = job == nullptr ? 0 : user_.MostInstances(job->objects().identity.uid);
    if (count > most) env_.Violate(fmt::format("I7: {} pods live, and {} were asked", count, most));
  }
}

void ClusterWorld::RunUntil(const std::function<bool()>& reached, Nanos limit,
                            const std::string& what) {
  Nanos next_look = env_.time.Now();
  while (env_.violation.empty()) {
    if (env_.time.Now() >= next_look) {
      if (reached()) return;
      next_look = env_.time.Now() + Millis(500);
    }
    if (env_.time.Now() > limit) return env_.Violate("I9: " + what + ": " + Describe());
    env_.time.RunNext(limit + Seconds(1));
    CheckEvent();
  }
}

Outcome ClusterWorld::Run() {
  kubernetes_.Begin();
  for (int i = 0; i < env_.scenario.operators; ++i) {
    operators_.push_back(std::make_unique<SimOperator>(&env_, i));
    operators_.back()->Watch();
  }
  user_.Begin();
  Disturb();
  const Nanos chaos = env_.scenario.chaos;
  RunUntil([this, chaos] { return env_.time.Now() >= chaos; }, chaos + Seconds(60),
           "the chaos has no end");
  RunUntil([this] { return user_.Main() != nullptr; }, chaos + Seconds(60), "no job");
  env_.time.Trace("quiet");
  user_.Settle();
  const auto over = [this] {
    const auto view = user_.View(kMainJob);
    const bool poison =
        env_.scenario.poison == ClusterScenario::Poison::kNone || user_.Stalled(kPoisonJob);
    return view && view->finished && poison;
  };
  RunUntil(over, chaos + kQuietLimit, "not finished in bounded time");
  const Nanos calm = env_.time.Now() + kCalmAfter;
  RunUntil([this, calm] { return env_.time.Now() >= calm; }, calm + Seconds(60), "no calm");
  const auto counts = [this](const std::string& run) {
    const SimJob* job = user_.FindRun(run);
    return job == nullptr || !job->deleted();
  };
  if (kubernetes_.AnyPodLives(counts)) env_.Violate("I7: pods are left");
  CheckNoWrites(kSilence, "after the end");
  for (const auto& each : operators_) each->Kill();
  CheckNoWrites(Seconds(60), "of new operators after the end");
  CheckNothingLeft();
  return {env_.violation, env_.time.trace(), env_.writes, env_.time.Now()};
}

// Of nobody but the operators' election.
void ClusterWorld::CheckNoWrites(Nanos time, const std::string& when) {
  if (!env_.violation.empty()) return;
  uint64_t writes = 0;
  std::string which;
  env_.watchers.push_back([&](const SeenWrite& write) {
    if (write.request.ns == kOperatorNs) return;
    ++writes;
    which = write.actor + " " + write.request.type.plural + " " + write.request.name;
  });
  const Nanos end = env_.time.Now() + time;
  RunUntil([this, end] { return env_.time.Now() >= end; }, end + Seconds(60), "no end");
  env_.watchers.pop_back();
  if (writes > 0) env_.Violate(fmt::format("I9: {} writes {}, the last: {}", writes, when, which));
}

void ClusterWorld::CheckNothingLeft() {
  if (!env_.violation.empty()) return;
  user_.DeleteAll();
  // A pod on a lost node goes when the node comes back, or somebody removes it.
  kubernetes_.ReturnNodes();
  const Nanos end = env_.time.Now() + kDeletion;
  RunUntil([this, end] { return env_.time.Now() >= end; }, end + Seconds(60), "no end");
  for (const auto& type : {kube::ParallelJobs(), kube::ConfigMaps(), kube::Leases(), op::Jobs(),
                           op::Pods(), op::ServiceAccounts(), op::Roles(), op::RoleBindings()}) {
    const auto list = env_.memory->Do({.verb = kube::Verb::kList, .type = type, .ns = kNs});
    const Json items = Json::parse(list->body)["items"];
    if (!items.empty()) {
      env_.Violate(fmt::format("I7: {} {} are left after the deletion: {}", items.size(),
                               type.plural, items[0]["metadata"].value("name", "")));
    }
  }
}

std::string ClusterWorld::Describe() const {
  std::string text;
  for (const auto& job : user_.jobs()) {
    if (!job->deleted()) text += job->Describe() + " ";
  }
  return text;
}

}  // namespace pj::sim
