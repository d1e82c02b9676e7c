// LocalRun: one job on this machine: agents as threads, slots below a guardian, objects in
// state.db.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/load.h"
#include "cli/commands.h"
#include "cli/finish.h"
#include "cli/job_dir.h"
#include "cli/local_controller.h"
#include "cli/progress.h"
#include "cli/resolve.h"
#include "cli/run_state.h"
#include "cli/signals.h"
#include "kube/memory_api.h"
#include "plan/plan.h"
#include "report/live_reports.h"
#include "report/report.h"
#include "worker/agent.h"
#include "worker/guardian.h"

namespace pj::cli {

// How a run ended: the stored result, or why it has none yet.
struct RunOutcome {
  std::optional<StoredResult> result;
  bool already_finished = false;   // an earlier run's result, nothing changed
  bool interrupted = false;        // drained; the next start goes on
  std::optional<Error> error;      // could not go on (disk full …)
  report::JobSummary progress;     // without a result: the committed counters
  std::string progress_json = {};  // the same, as -o json prints it
};

// Used once, from the main thread, before any other thread exists.
class LocalRun {
 public:
  LocalRun(const RunOptions& options, api::LoadedJob job, JobDir dir);
  ~LocalRun();
  // An Error means that the job never began (bad input, locked folder, no Python).
  Result<RunOutcome> Execute();

 private:
  Status OpenState();
  Status CheckSameJob();
  std::vector<std::string> NoCode() const;
  Status CheckSameStep() const;
  RunIdentity DeclaredIdentity() const;
  Status CheckUnchanged(const RunIdentity& now, const RunIdentity& before) const;
  Result<RunOutcome> Finished(const RunIdentity& before, StoredResult result);
  Status PreparePlan();
  Result<plan::PlanRequest> MakeRequest(std::vector<std::string>* warnings) const;
  Status OpenKnownPlan(const PlanFacts& facts);
  Result<bool> ReadyToFinish();
  Status PrepareReports();
  Status MakeAgents();
  worker::AgentOptions AgentOptionsFor(uint32_t ordinal) const;
  void RunAgents();
  void WaitForAgents();
  // Of StopSignals::Wait: the first one drains, a second one stops at once.
  void TakeSignal(int number);
  [[noreturn]] void StopAtOnce();
  void SetLastWords();
  Result<RunOutcome> Conclude();
  Result<RunOutcome> Finish(std::optional<policy::Verdict> failure);
  // The counters as they are saved.
  RunOutcome Committed();
  RunOutcome Unfinished(std::optional<Error> error);
  ProgressNow Now() const;
  Result<report::LiveState> LiveNow() const;

  const RunOptions& options_;
  api::LoadedJob job_;
  JobDir dir_;
  std::optional<DirLock> lock_;
  std::string incarnation_;
  std::string scratch_;
  std::string runtime_dir_;
  std::string python_;
  std::map<std::string, std::string> env_;
  ResolvedJob resolved_;
  std::string ended_;  // the state of a run that has ended here before
  uint32_t slots_ = 1;

  std::unique_ptr<worker::Guardian> guardian_;
  std::unique_ptr<kube::MemoryApi> api_;
  std::unique_ptr<RunState> state_;
  std::unique_ptr<plan::Plan> plan_;
  PlanFacts facts_;
  ProgressNow at_start_;  // what earlier starts have committed
  std::unique_ptr<report::ProcessedCsv> processed_;
  std::unique_ptr<report::LiveReports> live_;
  report::Rollup earlier_;  // of the attempts committed before this start
  std::vector<std::unique_ptr<report::ResourceMonitor>> monitors_;
  std::vector<std::unique_ptr<worker::Agent>> agents_;
  std::vector<worker::AgentResult> ends_;
  std::unique_ptr<LocalController> controller_;
  std::optional<StopSignals> signals_;  // from before the first thread to the last agent's end
  bool interrupted_ = false;
};

}  // namespace pj::cli
