// World: one seeded simulation: programs of agents, the controller and the seal over the embedded
// API, a network that loses, delays and doubts, crashes at any step, and virtual time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "kube/memory_api.h"
#include "policy/verdict.h"
#include "tests/sim/checker.h"
#include "tests/sim/sim_agent.h"
#include "worker/store.h"

namespace pj::sim {

// What a seed decides.
struct Scenario {
  uint64_t seed = 0;
  bool local = true;  // one program of all agents, or a pod each
  uint32_t instances = 1;
  uint32_t slots = 1;
  uint32_t frame = 1;  // mini-batches that a slot has at once
  JobShape shape;
  policy::Thresholds thresholds;
  double fault = 0;                  // chance that a request meets a fault, in the chaos phase
  double crash = 0;                  // chance of a crash at each request
  double host_death = 0;             // chance that a call takes its slot host with it
  Nanos chaos{0};                    // length of the first phase
  std::set<uint64_t> poison;         // kill their slot host whenever they run
  std::map<uint64_t, uint32_t> bad;  // mini-batch → attempts that fail
  Nanos longest_run{0};
  uint64_t slow_from = UINT64_MAX;  // from here on calls take 40 times as long
};
Scenario Draw(uint64_t seed);

struct Outcome {
  std::string violation;  // empty: all invariants held
  uint32_t trace = 0;     // checksum of everything that happened
  uint64_t requests = 0;
  Nanos end{0};
};

// Not thread-safe. Run() once.
class World {
 public:
  World(Scenario scenario, bool verbose);
  Outcome Run();

  // For the agents.
  void Send(SimAgent* agent, const ledger::Call& call);
  void After(Nanos delay, std::function<void()> action);
  Nanos Below(Nanos bound);
  bool Chance(double probability) { return rng_.Unit() < probability; }
  bool Chaos() const { return Now() < scenario_.chaos; }
  Nanos Now() const { return clock_.Monotonic(); }
  void Crash(SimAgent* agent);
  void OnAgentEnded(SimAgent* agent);
  void Trace(const std::string& line);
  uint64_t NextRun() { return ++runs_; }
  Checker& checker() { return checker_; }
  const Scenario& scenario() const { return scenario_; }

 private:
  enum class Phase { kRunning, kSealing, kOver };

  void StartAll();
  void StartAgent(uint32_t ordinal);
  void Poll();  // the controller, each tick
  void JudgeNow();
  void DisturbByControl();
  void Broadcast(const ledger::Control& control);
  void StartSeal();
  void SealStep(const ledger::Reply* reply);
  void Deliver(const Sender& sender, const ledger::Call& call,
               std::function<void(const ledger::Reply&)> answer);
  ledger::Reply Carry(const Sender& sender, const ledger::Call& call);
  kube::Fault ServerFault(const kube::Request& request);
  bool AnybodyAlive() const;
  std::string Unfinished() const;

  Scenario scenario_;
  bool verbose_;
  Rng rng_;
  ManualClock clock_;
  Checker checker_;
  std::unique_ptr<kube::MemoryApi> api_;
  worker::StoreClient store_;
  std::map<std::pair<Nanos, uint64_t>, std::function<void()>> events_;
  uint64_t sequence_ = 0;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  std::vector<uint32_t> starts_;  // by ordinal
  uint32_t programs_ = 0;
  uint64_t runs_ = 0;
  uint64_t requests_ = 0;
  uint32_t trace_ = 0;
  Phase phase_ = Phase::kRunning;
  ledger::Control control_;
  bool aborting_ = false;
  bool complete_ = false;
  std::unique_ptr<ledger::Sealer> sealer_;
  policy::Watchdog watchdog_;
};

}  // namespace pj::sim
