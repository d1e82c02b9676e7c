// SimJob: one ParallelJob of one UID: its objects, its agents, the programs of its pods, and what
// must hold of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "job/run_store.h"
#include "tests/sim/agent_host.h"
#include "tests/sim/cluster/env.h"
#include "tests/sim/cluster/pod_program.h"
#include "tests/sim/ledger_link.h"
#include "tests/sim/sim_agent.h"

namespace pj::sim {

// Not thread-safe. Lives as long as the Env, also after the ParallelJob was deleted.
class SimJob : public AgentHost {
 public:
  SimJob(Env* env, const Workload& work, job::JobObjects objects);

  // --- for agents ---
  void Send(SimAgent* agent, const ledger::Call& call) override;
  void OnAgentEnded(SimAgent* agent) override;
  void OnAgentStalled(SimAgent* agent, const Error& error) override;
  bool Chaos() const override { return env_->Chaos(); }
  Timeline& time() override { return env_->time; }
  Checker& checker() override { return checker_; }
  const Workload& work() const override { return work_; }

  // --- for pods ---
  PodProgram* NewProgram(const PodStart& start);
  SimAgent* NewAgent(PodProgram* program, const ledger::AgentConfig& config);
  static void Tell(SimAgent* agent, const ledger::Control& control) {
    agent->Handle(ledger::ControlChanged{control});
  }
  static void Begin(SimAgent* agent) { agent->Handle(ledger::Started{}); }
  static void Killed(SimAgent* agent) { agent->Kill(); }
  // A worker's Lease: its version, empty if there is none; nothing if that is not known.
  std::optional<std::string> ReadLease(const std::string& worker);
  void WriteLease(uint32_t ordinal, const std::string& holder, bool ready);

  void OnWrite(const SeenWrite& write);
  void FreezeAgent();  // one of them reaches the API only some time later
  void Delete();       // with everything that it owns
  bool deleted() const { return deleted_; }
  // What the sealed ledger says, as `result` keeps it; checked against what was committed.
  job::StoredResult ResultOf(std::vector<ledger::ShardRecord> shards, bool planned,
                             const std::optional<ledger::Control>& control);

  Env* env() { return env_; }
  LedgerLink& link() { return link_; }
  kube::Api* api() { return &api_; }
  const job::RunStore& store() const { return store_; }
  const job::JobObjects& objects() const { return store_.objects(); }
  bool ended() const { return ended_; }
  std::string Describe() const;

 private:
  bool TakesOver(const SimAgent& agent, const ledger::Call& call);

  Env* env_;
  Workload work_;
  Checker checker_;
  ActorApi api_;
  job::RunStore store_;
  LedgerLink link_;
  std::vector<std::unique_ptr<PodProgram>> programs_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  std::map<const SimAgent*, PodProgram*> program_of_;
  bool deleted_ = false;
  bool ended_ = false;  // `result` is there
};

}  // namespace pj::sim
