// `paralleljob status DIR`: what is committed, whether or not the run is alive. JOB:
// cmd_job_status.
#include <fmt/core.h>

#include <filesystem>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/finish.h"
#include "cli/open_dir.h"

namespace pj::cli {

namespace {

// Committed mini-batches as [begin, end) pairs: what a resumed run will not call run() for again.
Json CommittedRanges(const std::vector<ledger::ShardRecord>& shards) {
  Json ranges = Json::array();
  auto add = [&ranges](uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    if (!ranges.empty() && ranges.back()[1] == begin) {
      ranges.back()[1] = end;
    } else {
      ranges.push_back({begin, end});
    }
  };
  for (const ledger::ShardRecord& shard : shards) {
    add(shard.lo, shard.low_water);
    for (const auto& [begin, end] : shard.done_above.ranges()) add(begin, end);
  }
  return ranges;
}

std::string WithCommitted(const std::string& summary,
                          const std::vector<ledger::ShardRecord>& shards) {
  Result<Json> parsed = ParseJson(summary, "summary");
  if (!parsed) return summary;
  (*parsed)["committed"] = CommittedRanges(shards);
  return DumpJson(*parsed);
}

}  // namespace

int StatusCommand(const JobOptions& options) {
  std::error_code ignored;
  const bool folder = options.job.find('/') != std::string::npos ||
                      std::filesystem::is_directory(options.job, ignored);
  return folder ? DirStatus({.dir = options.job, .json = options.json}) : JobStatus(options);
}

int DirStatus(const DirOptions& options) {
  const Result<OpenedDir> opened = OpenDir(options.dir);
  if (!opened) return NotStarted(opened.error(), options.json);
  if (opened->result && options.json) {
    fmt::print("{}\n", WithCommitted(opened->result->summary_json, opened->shards));
    return kExitDone;
  }
  const report::JobSummary now = SummaryOf(opened->job, opened->plan, opened->shards);
  if (options.json) {
    fmt::print("{}\n", WithCommitted(report::SummaryJson(now), opened->shards));
    return kExitDone;
  }
  const uint64_t done = now.mini_batches_succeeded + now.mini_batches_failed;
  std::string state = "Unfinished";
  if (opened->result) {
    const Result<Json> summary = ParseJson(opened->result->summary_json);
    if (summary) state = summary->value("state", state);
  }
  fmt::print(
      "{}: {}\n{} of {} mini-batches committed, {} failed, {} retries; {} of {} items succeeded\n",
      opened->job, state, done, now.mini_batches_total, now.mini_batches_failed, now.retries,
      now.items_succeeded, now.items_total);
  for (const ledger::ErrorGroup& group : now.errors)
    fmt::print("  {} × {}\n", group.count, group.text);
  return kExitDone;
}

}  // namespace pj::cli
