// Finish: a local run's end (worker/finish.h) in its folder, and the object that `run -o json`
// prints.
#pragma once

#include <optional>
#include <string>

#include "api/load.h"
#include "base/result.h"
#include "cli/job_dir.h"
#include "cli/resolve.h"
#include "cli/run_state.h"
#include "policy/verdict.h"
#include "report/report.h"
#include "worker/finish.h"

namespace pj::cli {

struct FinishRequest {
  const api::LoadedJob* job = nullptr;
  const JobDir* dir = nullptr;
  const ResolvedJob* resolved = nullptr;
  RunState* state = nullptr;
  PlanFacts plan;
  policy::Thresholds thresholds;
  std::string incarnation;
  std::optional<policy::Verdict>
      failure;  // decided while running; else taken from the sealed ledger
};

using worker::AttemptsOf;
using worker::HeaderLine;
using worker::SummaryOf;

// Behind an error that attempts met whose mini-batches have all succeeded since.
inline constexpr char kSucceededLater[] = " (succeeded later)";

// Since the first start.
double SecondsSinceStart(const RunState& state);

// The published outcome, already stored.
Result<StoredResult> FinishRun(const FinishRequest& request);

// For a pipeline the step's object stands in `steps`; else it is the object itself.
std::string FinalJson(const api::LoadedJob& job, const report::JobSummary& summary);
// The same of a step whose job file is not at hand. `step_name`: empty if it is no pipeline.
std::string SummaryJsonOf(const std::string& step_name,
                          const std::map<std::string, std::string>& pipeline_outputs,
                          const report::JobSummary& summary);

}  // namespace pj::cli
