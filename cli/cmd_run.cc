// `paralleljob run`: loads, runs, and says how it ended.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "api/validate.h"
#include "base/json.h"
#include "base/log.h"
#include "base/words.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/load_job.h"
#include "cli/local_checks.h"
#include "cli/local_run.h"
#include "cli/moved_run.h"
#include "cli/print.h"
#include "cli/signals.h"
#include "worker/settings.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kErrorsShown = 10;

void PrintErrors(const Json& summary, const std::string& dir) {
  if (!summary.contains("errors")) return;
  const Json& groups = summary["errors"];
  const fs::path logs = summary.value("logs", "");
  const size_t shown = std::min(kErrorsShown, groups.size());
  for (size_t i = 0; i < shown; ++i) {
    const Json& group = groups[i];
    PrintErr("  {} × {}{}\n", group.value("count", uint64_t{0}), group.value("message", ""),
             group.value("recovered", false) ? kSucceededLater : "");
    const std::string log = group.value("log", "");
    if (!log.empty()) PrintErr("      see {}\n", (logs / log).string());
  }
  if (groups.size() > shown) {
    PrintErr("  and {}: `paralleljob status {}` lists all\n",
             Count(groups.size() - shown, "more kind of errors", "more kinds of errors"), dir);
  }
}

void PrintOutput(const std::string& name, const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) {
    Print("{}: {}\n", name, path);
  } else {
    PrintNote(fmt::format("output {}: nothing was written to {}", name, path));
  }
}

// Of a pipeline, whose own outputs need not name all that its steps write.
void PrintOutputsOfSteps(const Json& summary) {
  if (!summary.contains("steps")) return;
  for (const Json& step : summary["steps"]) {
    for (const auto& [name, path] : step["outputs"].items()) {
      const Json& named = summary["outputs"];
      if (std::find(named.begin(), named.end(), path) != named.end()) continue;
      PrintOutput(step.value("name", "") + "." + name, path.get<std::string>());
    }
  }
}

// Nothing that fails the job was set, and nothing came of it.
void WarnOfNothing(const StoredResult& result) {
  const Result<Json> summary = ParseJson(result.summary_json, "result");
  if (!summary || summary->value("state", "") != "Complete") return;
  if ((*summary)["miniBatches"].value("succeeded", uint64_t{0}) > 0) return;
  PrintWarning(
      "the job is complete, but not one mini-batch succeeded: with miniBatchErrorThreshold: 0 it "
      "would have failed");
}

// The result for people: the state and its cause on stderr, the paths of the results on stdout.
void PrintResult(const StoredResult& result, const std::string& dir) {
  Result<Json> parsed = ParseJson(result.summary_json, "result");
  if (!parsed) return PrintError(parsed.error());
  const Json& summary = *parsed;
  const Json& batches = summary["miniBatches"];
  const std::string state = summary.value("state", "");
  const auto succeeded = batches.value("succeeded", uint64_t{0});
  PrintErr("{}: {} of {} succeeded, {} failed, {}, {}\n", state, succeeded,
           Count(batches.value("total", uint64_t{0}), "mini-batch"),
           batches.value("failed", uint64_t{0}),
           Count(summary.value("retries", uint64_t{0}), "retry"),
           HumanSeconds(summary.value("durationSeconds", 0.0)));
  if (state != "Complete") {
    PrintErr("error: {}: {}\n", summary.value("reason", ""), summary.value("message", ""));
  }
  PrintErrors(summary, dir);
  for (const auto& [name, path] : summary["outputs"].items()) {
    PrintOutput(name, path.get<std::string>());
  }
  PrintOutputsOfSteps(summary);
  Print("logs: {}\n", summary.value("logs", ""));
}

int Unfinished(const RunOptions& options, const RunOutcome& outcome) {
  const report::JobSummary& now = outcome.progress;
  const uint64_t done = now.mini_batches_succeeded + now.mini_batches_failed;
  if (outcome.error) PrintError(*outcome.error);
  PrintErr("stopped with {} of {} saved; the same command goes on from there\n", done,
           Count(now.mini_batches_total, "mini-batch"));
  if (options.file.json) Print("{}\n", outcome.progress_json);
  return outcome.error ? kExitCouldNotRun : kExitInterrupted;
}

// Each setting that this run will not use, once.
void PrintNotes(const api::LoadedJob& job) {
  for (const std::string& field : api::ClusterOnlyFields(job.job)) {
    PrintNote(field + " is used on a cluster only");
  }
  if (job.job.spec.copy_logs_to_parent.value && job.step.empty()) {
    PrintNote("spec.copyLogsToParent has no effect: the job is no step of a pipeline");
  }
}

// Otherwise the job is compared first with the one whose run lies there: a mistyped input is a
// changed job.
bool BeginsAnew(const RunOptions& options, const JobDir& dir) {
  const Result<bool> state = dir.HasState();
  return options.fresh || (state && !*state);
}

}  // namespace

int RunCommand(const RunOptions& options) {
  const LastWords signals;
  const Error interrupted{Code::kCancelled, "interrupted before the first mini-batch", {}, {}};
  LastWords::Say("\ninterrupted before the first mini-batch\n",
                 options.file.json ? NotStartedJson(interrupted) + "\n" : "");
  std::optional<api::LoadedJob> job =
      LoadOne(options.file, options.env == "current" ? Severity::kNote : Severity::kError);
  if (!job) return kExitBadInput;
  Diagnostics here;
  api::CheckRunsHere(*job, &here);
  if (!here.HasErrors() && ChecksWithItsPython(*job, options.env)) {
    CheckScript(*job, Severity::kNote, &here);
  }
  const std::string folder = OutputFolder(options.output_dir, job->job.name);
  Result<JobDir> dir = JobDir::At(folder, job->step);
  if (!dir) return NotStarted(dir.error(), options.file.json);
  if (!here.HasErrors() && BeginsAnew(options, *dir)) {
    CheckInputs(*job, Severity::kError, &here);
    CheckPlanning(*job, std::nullopt, &here);
  }
  if (here.HasErrors()) {
    PrintDiagnostics(here);
    if (options.file.json) Print("{}\n", NotStartedJson(here));
    return kExitBadInput;
  }
  log::Init(worker::OwnLevel(job->job.spec.logging_level.value));
  PrintNotes(*job);
  Result<RunOutcome> outcome = LocalRun(options, std::move(*job), *dir).Execute();
  LastWords::Say({}, {});  // what is to be said follows
  if (!outcome) return NotStarted(outcome.error(), options.file.json);
  if (!outcome->result) return Unfinished(options, *outcome);
  if (outcome->already_finished) {
    PrintNote("this run had already finished; nothing was changed (--fresh starts again): " +
              dir->root());
  }
  outcome->result->summary_json = SummaryHere(*dir, *outcome->result);
  WarnOfNothing(*outcome->result);
  if (options.file.json) {
    Print("{}\n", outcome->result->summary_json);
  } else {
    PrintResult(*outcome->result, dir->root());
  }
  return outcome->result->exit_code;
}

}  // namespace pj::cli
