// `paralleljob status DIR`: what is committed, whether or not the run is alive.
#include <fmt/core.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/finish.h"
#include "cli/open_dir.h"

namespace pj::cli {

int StatusCommand(const DirOptions& options) {
  const Result<OpenedDir> opened = OpenDir(options.dir);
  if (!opened) {
    PrintError(opened.error());
    if (options.json) fmt::print("{}\n", NotStartedJson(opened.error()));
    return ExitCodeOf(opened.error());
  }
  if (opened->result && options.json) {
    fmt::print("{}\n", opened->result->summary_json);
    return kExitDone;
  }
  const report::JobSummary now = SummaryOf(opened->job, opened->plan, opened->shards);
  if (options.json) {
    fmt::print("{}\n", report::SummaryJson(now));
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
