// Finish: seal → verdict → publish → reports → result. Safe to repeat until the result object
// exists, and safe if two try at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/resolved_job.h"
#include "job/run_store.h"
#include "ledger/record.h"
#include "output/file_ops.h"
#include "policy/verdict.h"
#include "report/report.h"

namespace pj::worker {

struct FinishRequest {
  const job::RunStore* store = nullptr;
  const job::ResolvedJob* resolved = nullptr;
  std::string append_output;  // name of the output that gets the rows; empty: none
  std::string segments_dir;
  std::string logs_dir;
  output::FileOps* files = nullptr;  // that the segments are read with; null: the real ones
  // Each pod has a work folder of its own: its attempts are seen by nobody else, the errors are
  // those of the ledger, and there are no rows.
  bool attempts_scattered = false;
  job::PlanFacts plan;
  policy::Thresholds thresholds;
  std::string incarnation;
  int64_t started_wall_ns = 0;  // the first start
  // Decided while running; else taken from the sealed ledger.
  std::optional<policy::Verdict> failure;
  // What the sealed ledger decides by itself counts before `failure`: so all that finish come to
  // the same end, whatever each of them has heard of.
  bool ledger_first = false;
  bool processed_csv = false;  // write processed_mini-batches.csv, whole; else somebody has
  std::function<Status()> after_reports = {};  // a failure is told in the message
  // What `result` keeps; unset: report::SummaryJson.
  std::function<std::string(const report::JobSummary&)> to_json = {};
};

// The published outcome, already stored: ours, or that of who was first.
Result<job::StoredResult> FinishRun(const FinishRequest& request);

// All committed attempts of a job's shards, in no particular order.
report::AttemptSource AttemptsOf(const std::vector<ledger::ShardRecord>& shards,
                                 const std::string& segments_dir, output::FileOps* files = nullptr);

// Of a job whose attempts nobody can read.
report::AttemptSource NoAttempts();

double SecondsSince(int64_t wall_ns);

// Counters of a job that has not ended.
report::JobSummary SummaryOf(const std::string& job, const job::PlanFacts& plan,
                             const std::vector<ledger::ShardRecord>& shards);

// The bytes before the first row: the header line of csv and of text DataFrames, or nothing.
std::string HeaderLine(const std::vector<std::string>& columns, const std::string& format,
                       bool header);

}  // namespace pj::worker
