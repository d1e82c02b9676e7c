// PodProgram: what runs in a worker or finaliser pod, as a state machine in virtual time: a
// supervisor that starts a died agent again, and the agent's turns around the production AgentCore:
// result, control, plan, work, end (worker/pod/agent.cc is the same with threads).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "job/run_store.h"
#include "kube/leader_election.h"
#include "ledger/agent_core.h"
#include "tests/sim/cluster/kubernetes.h"

namespace pj::sim {

class SimAgent;
class SimJob;

// Not thread-safe. Lives as long as its job.
class PodProgram {
 public:
  PodProgram(SimJob* job, PodStart start);
  ~PodProgram();

  void Start();
  void Stop();    // SIGTERM
  void Kill();    // all processes of the pod at once; nobody is told
  void Crash();   // the agent's process alone
  void CutOff();  // lives on, and reaches the API no more
  bool Lives() const { return alive_; }
  const SimAgent* agent() const { return agent_; }

  void ControlChanged();  // told by the watch, some time after the write
  void AgentEnded(bool stalled);

 private:
  using Mode = ledger::Control::Mode;

  std::function<void()> Own(std::function<void()> action);
  void BeginLife();
  void Exit(int code);
  void Wait(Nanos most);
  void Wake();
  void Read(std::function<void(bool arrived)> then);
  void Write(std::function<void()> write, std::function<void()> then);

  void Turn();
  void Act();
  void Plan();
  bool MayPlan();
  void Work();
  void Told();
  void WatchIdleness();
  void EndTheJob();
  void EndStep();
  void Seal(const ledger::Reply* reply);
  void Sealed();
  void Hold(bool held);
  void KeepLease();
  static bool ForgetsRule12();

  SimJob* job_;
  const PodStart start_;
  bool alive_ = false;
  bool cut_off_ = false;
  bool stopped_ = false;
  uint64_t life_ = 0;  // of the agent's process; what an older one waits for never comes
  uint64_t wait_ = 0;  // the wait under way; 0: none
  std::string incarnation_;
  std::optional<ledger::Control> control_;
  bool gone_ = false;  // the control object was deleted
  bool planned_ = false;
  bool decided_ = false;
  std::string planner_sign_;
  std::optional<Nanos> planner_since_;
  SimAgent* agent_ = nullptr;  // works now
  bool holds_lease_ = false;
  std::unique_ptr<kube::LeaderElection> election_;
  std::unique_ptr<ledger::Sealer> sealer_;
};

}  // namespace pj::sim
