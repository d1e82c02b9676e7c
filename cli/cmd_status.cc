// `paralleljob status DIR`: what is committed, whether or not the run is alive. JOB:
// cmd_job_status.
#include <fmt/core.h>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/json.h"
#include "base/words.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/finish.h"
#include "cli/moved_run.h"
#include "cli/open_dir.h"
#include "cli/print.h"
#include "ledger/error_groups.h"

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

// Seconds from the first start to the last thing that was committed.
double SecondsCommitted(const OpenedDir& opened) {
  namespace fs = std::filesystem;
  int64_t last = opened.state->created_wall_ns();
  std::error_code error;
  for (fs::directory_iterator file(opened.dir.Segments(), error), end; !error && file != end;
       file.increment(error)) {
    struct stat info{};
    if (::stat(file->path().c_str(), &info) != 0) continue;
    last = std::max(last, info.st_mtim.tv_sec * 1'000'000'000L + info.st_mtim.tv_nsec);
  }
  return static_cast<double>(last - opened.state->created_wall_ns()) / 1e9;
}

// The ledger counts errors; only the attempts tell whether their mini-batches succeeded later.
void MarkRecovered(const OpenedDir& opened, report::JobSummary* now) {
  if (now->errors.empty()) return;
  const Result<report::GroupedErrors> grouped =
      report::GroupErrors(AttemptsOf(opened.shards, opened.dir.Segments()));
  if (!grouped) return;  // `verify` says what is wrong with them
  std::set<uint64_t> recovered;
  for (size_t i = 0; i < grouped->groups.size(); ++i) {
    const uint64_t hash = grouped->groups[i].hash;
    // Which errors are "other" ones the two sides decide each for itself.
    if (grouped->recovered[i] && hash != ledger::kOtherErrors) recovered.insert(hash);
  }
  for (size_t i = 0; i < now->errors.size(); ++i) {
    now->recovered[i] = recovered.contains(now->errors[i].hash);
  }
}

// Of a run without a result: running, or stopped.
report::JobSummary SoFar(const OpenedDir& opened) {
  report::JobSummary now = SummaryOf(opened.job, opened.plan, opened.shards);
  const bool running = !opened.holder.empty();
  if (running) now.state = "Running";
  now.duration_seconds = running ? SecondsSinceStart(*opened.state) : SecondsCommitted(opened);
  now.logs = opened.dir.Logs();
  MarkRecovered(opened, &now);
  return now;
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
    Print("{}\n", WithCommitted(SummaryHere(opened->dir, *opened->result), opened->shards));
    return kExitDone;
  }
  const report::JobSummary now = SoFar(*opened);
  if (options.json) {
    const std::string object = SummaryJsonOf(opened->dir.StepThere(), {}, now);
    Print("{}\n", WithCommitted(object, opened->shards));
    return kExitDone;
  }
  const uint64_t done = now.mini_batches_succeeded + now.mini_batches_failed;
  std::string state = now.state;
  if (!opened->holder.empty()) state += fmt::format(" (process {})", opened->holder);
  std::string why;
  if (opened->result) {
    const Result<Json> summary = ParseJson(SummaryHere(opened->dir, *opened->result));
    if (summary) state = summary->value("state", state);
    if (summary && state == "Failed") {
      why = fmt::format("{}: {}\n", summary->value("reason", ""), summary->value("message", ""));
    }
  }
  Print("{}: {}\n{}{} of {} committed, {} failed, {}; {} of {} succeeded\n", opened->job, state,
        why, done, Count(now.mini_batches_total, "mini-batch"), now.mini_batches_failed,
        Count(now.retries, "retry"), now.items_succeeded, Count(now.items_total, "item"));
  for (size_t i = 0; i < now.errors.size(); ++i) {
    Print("  {} × {}{}\n", now.errors[i].count, now.errors[i].text,
          now.recovered[i] ? kSucceededLater : "");
  }
  return kExitDone;
}

}  // namespace pj::cli
