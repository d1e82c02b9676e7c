// PodAgent's inside: what its source files share.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>

#include "api/parallel_job.h"
#include "base/backoff.h"
#include "job/resolved_job.h"
#include "job/run_store.h"
#include "kube/patient_api.h"
#include "plan/plan.h"
#include "worker/agent.h"
#include "worker/pod/agent.h"
#include "worker/pod/control_watch.h"
#include "worker/pod/end.h"
#include "worker/pod/plan.h"
#include "worker/pod/worker_lease.h"

namespace pj::worker {

class LiveErrors;
class LiveOverview;

class PodAgentImpl : public PodAgent {
 public:
  explicit PodAgentImpl(PodAgentOptions options);
  ~PodAgentImpl() override;
  Result<int> Run() override;
  void Stop() override;

 private:
  using Mode = ledger::Control::Mode;

  // agent.cc: what to do next
  Result<int> Loop();
  Result<int> CannotBegin(const Error& error);
  Status Turn(const ledger::Control& control);
  bool CheckResult();
  void OnControl(const ledger::Control* control);
  void HurryIfDeleted();  // mutex_ is held
  std::optional<ledger::Control> Control();
  bool Stopped();
  // Waits until something changed, or so long. True: asked to stop.
  bool WaitForChange(Nanos most);
  bool WaitStopped(Nanos most);
  Nanos PollInterval() const;
  Nanos IdlePollInterval() const;
  void Hold(const job::WorkerState& state);
  void InTrouble(const std::string& reason, const Error& error);
  void EndTheJob();
  PodEndOptions EndOptions() const;

  // agent_plan.cc: the plan
  Status Prepare();
  Result<bool> EnsurePlan();
  bool MayPlan();
  Status MakePlan();
  Status TakePlan(const job::PlanFacts& facts);
  PlanPlaces Places() const;
  Status CannotRun(const Error& error);

  // agent_work.cc: the agent while it works
  Status Work();
  AgentOptions OptionsFor(const ledger::Control& control);
  std::unique_ptr<LiveErrors> StartLiveErrors() const;
  std::unique_ptr<LiveOverview> StartLiveOverview() const;
  AgentResult RunAgent();
  void WatchAgent(const bool* over);
  void WatchIdleness(std::unique_lock<std::mutex>* lock, const bool* over);
  void AfterWork(const AgentResult& end);
  uint32_t Slots() const;

  const PodAgentOptions options_;
  kube::PatientApi api_;  // for all but the watch
  const job::RunStore store_;
  PodFolders folders_;
  api::ParallelJob job_;
  job::ResolvedJob resolved_;
  bool prepared_ = false;  // the volumes can be used
  bool fetched_ = false;   // inputs are there
  std::optional<job::PlanFacts> facts_;
  std::unique_ptr<plan::Plan> plan_;
  std::string incarnation_;   // of the agent that works, or worked last
  std::string planner_sign_;  // ordinal 0's Lease as last seen, and since when
  std::optional<Nanos> planner_since_;
  Backoff backoff_;
  WorkerLease lease_;
  std::optional<job::StoredResult> result_;
  bool decided_ = false;                  // nothing is left to run: only the end is
  std::optional<job::WorkerState> lost_;  // the slots are gone for good: what the Lease says

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<ledger::Control> control_;  // guarded by mutex_, as the rest
  uint64_t changes_ = 0;
  uint64_t changes_seen_ = 0;
  bool gone_ = false;  // the control object was deleted
  bool stopped_ = false;
  std::optional<Nanos> kill_at_;
  Agent* running_ = nullptr;
  std::unique_ptr<ControlWatch> watch_;  // last: its thread calls OnControl
};

}  // namespace pj::worker
