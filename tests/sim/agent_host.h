// AgentHost: what a simulated agent finds around it: time, the network, its job and its checker.
#pragma once

#include "ledger/agent_core.h"
#include "tests/sim/checker.h"
#include "tests/sim/timeline.h"
#include "tests/sim/workload.h"

namespace pj::sim {

class SimAgent;

class AgentHost {
 public:
  virtual ~AgentHost() = default;
  virtual void Send(SimAgent* agent, const ledger::Call& call) = 0;
  virtual void OnAgentEnded(SimAgent* agent) = 0;
  virtual void OnAgentStalled(SimAgent* agent, const Error& error) = 0;
  virtual bool Chaos() const = 0;  // the first phase: faults happen
  virtual Timeline& time() = 0;
  virtual Checker& checker() = 0;
  virtual const Workload& work() const = 0;
};

}  // namespace pj::sim
