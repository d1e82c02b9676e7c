// World: one seeded simulation: programs of agents, the controller and the seal over the embedded
// API, a network that loses, delays and doubts, crashes at any step, and virtual time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kube/memory_api.h"
#include "policy/verdict.h"
#include "tests/sim/agent_host.h"
#include "tests/sim/checker.h"
#include "tests/sim/ledger_link.h"
#include "tests/sim/outcome.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/timeline.h"

namespace pj::sim {

// What a seed decides.
struct Scenario {
  uint64_t seed = 0;
  bool local = true;  // one program of all agents, or a pod each
  Workload work;
  double fault = 0;  // chance that a request meets a fault, in the chaos phase
  double crash = 0;  // chance of a crash at each request
  Nanos chaos{0};    // length of the first phase
};
Scenario Draw(uint64_t seed);

// Not thread-safe. Run() once.
class World : public AgentHost {
 public:
  World(Scenario scenario, bool verbose);
  Outcome Run();

  void Send(SimAgent* agent, const ledger::Call& call) override;
  void OnAgentEnded(SimAgent* agent) override;
  void OnAgentStalled(SimAgent*, const Error& error) override {
    checker_.Violate("stalled: " + error.ToString());
  }
  bool Chaos() const override { return time_.Now() < scenario_.chaos; }
  Timeline& time() override { return time_; }
  Checker& checker() override { return checker_; }
  const Workload& work() const override { return scenario_.work; }

 private:
  enum class Phase { kRunning, kSealing, kOver };

  void StartAll();
  void StartAgent(uint32_t ordinal);
  void Crash(SimAgent* agent);
  void Poll();  // the controller, each tick
  void JudgeNow();
  void DisturbByControl();
  void Broadcast(const ledger::Control& control);
  void StartSeal();
  void SealStep(const ledger::Reply* reply);
  kube::Fault ServerFault(const kube::Request& request);
  bool AnybodyAlive() const;
  std::string Unfinished() const;

  Scenario scenario_;
  Timeline time_;
  Checker checker_;
  std::unique_ptr<kube::MemoryApi> api_;
  LedgerLink link_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  std::vector<uint32_t> starts_;  // by ordinal
  uint32_t programs_ = 0;
  Phase phase_ = Phase::kRunning;
  ledger::Control control_;
  bool aborting_ = false;
  bool complete_ = false;
  std::unique_ptr<ledger::Sealer> sealer_;
  policy::Watchdog watchdog_;
};

}  // namespace pj::sim
