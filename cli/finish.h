// Finish: seal → verdict → publish → reports → result. Safe to repeat until the result object
// exists.
#pragma once

#include <optional>
#include <string>

#include "api/load.h"
#include "base/result.h"
#include "cli/job_dir.h"
#include "cli/resolve.h"
#include "cli/run_state.h"
#include "kube/api.h"
#include "plan/plan.h"
#include "policy/verdict.h"
#include "report/report.h"

namespace pj::cli {

struct FinishRequest {
  const api::LoadedJob* job = nullptr;
  const JobDir* dir = nullptr;
  const ResolvedJob* resolved = nullptr;
  RunState* state = nullptr;
  kube::Api* api = nullptr;
  PlanFacts plan;
  policy::Thresholds thresholds;
  std::string incarnation;
  std::optional<policy::Verdict>
      failure;  // decided while running; else taken from the sealed ledger
};


// All committed attempts of a job's shards, in no particular order.
report::AttemptSource AttemptsOf(const std::vector<ledger::ShardRecord>& shards,
                                 const std::string& segments_dir);

// Since the first start.
double SecondsSinceStart(const RunState& state);

// Counters of a job that has not ended, for `status` and an interrupted run.
report::JobSummary SummaryOf(const std::string& job, const PlanFacts& plan,
                             const std::vector<ledger::ShardRecord>& shards);

// The bytes before the first row: the header line of csv and of text DataFrames, or nothing.
std::string HeaderLine(const std::vector<std::string>& columns, const std::string& format,
                       bool header);

// The published outcome, already stored.
Result<StoredResult> FinishRun(const FinishRequest& request);

// For a pipeline the step's object stands in `steps`; else it is the object itself.
std::string FinalJson(const api::LoadedJob& job, const report::JobSummary& summary);

}  // namespace pj::cli
