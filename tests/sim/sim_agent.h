// SimAgent: AgentCore with slots and segments of its own, driven by its host's events.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ledger/agent_core.h"
#include "tests/sim/checker.h"

namespace pj::sim {

class AgentHost;

// One incarnation of one agent. Lives as long as its host; after Kill() it does nothing more.
class SimAgent {
 public:
  SimAgent(AgentHost* host, ledger::AgentConfig config);

  void Handle(const ledger::Event& event);
  void Kill() { alive_ = false; }
  bool alive() const { return alive_; }
  bool Serves() const { return alive_ && !ended_; }
  bool zombie = false;  // its successor has started
  const Sender& sender() const { return sender_; }
  const ledger::AgentConfig& config() const { return config_; }
  ledger::Finished::Why why() const { return why_; }
  bool ended() const { return ended_; }
  size_t Running() const { return core_.Running(); }

  bool StartedAtOrAbove(const ledger::ShardRecord& shard, uint64_t from) const;
  size_t RunningIn(const ledger::ShardRecord& shard) const;

 private:
  using Work = std::pair<uint64_t, uint64_t>;  // shard, epoch

  void Carry(const std::vector<ledger::Effect>& effects);
  void CarryOne(const ledger::Effect& effect);
  void Feed();
  void Run(const ledger::Assignment& given);
  void End(const ledger::Assignment& given, uint64_t host);
  void Report(const ledger::Assignment& given, ledger::AttemptStatus status);
  void HostDies(const ledger::Assignment& by);
  void Poll();

  AgentHost* around_;
  ledger::AgentConfig config_;
  Sender sender_;
  ledger::AgentCore core_;
  bool alive_ = true;
  bool ended_ = false;
  bool stopped_ = false;  // told to drain or abort
  ledger::Finished::Why why_ = ledger::Finished::Why::kComplete;
  uint32_t free_slots_;
  uint64_t host_ = 1;  // the slot host's number: results of a dead one never come
  uint64_t timer_ = 0;
  std::map<uint64_t, std::string> stems_;  // shard → segment of its epoch
  std::map<Work, std::set<uint64_t>> started_;
  std::map<Work, std::set<uint64_t>> running_;
};

// Lets the checker ask what the agents, also those that come later, have started and run.
void LookInto(const std::vector<std::unique_ptr<SimAgent>>& agents, Checker* checker);

}  // namespace pj::sim
