#include "report/job_texts.h"

#include <fmt/core.h>

#include "base/limits.h"
#include "base/words.h"
#include "report/text.h"

namespace pj::report {
namespace {

std::string Ids(const ledger::ErrorGroup& group) {
  std::string text = group.first_ids.size() == 1 ? "mini-batch" : "mini-batches";
  for (size_t i = 0; i < group.first_ids.size(); ++i) {
    text += fmt::format("{} {}", i == 0 ? "" : ",", group.first_ids[i]);
  }
  // How many there are in all nobody counts: a list that has its most entries may have been cut.
  const bool cut = group.first_ids.size() >= limits::kErrorGroupIds;
  return cut && group.count > group.first_ids.size() ? text + " …" : text;
}

std::string Groups(const JobSummary& s, size_t most) {
  std::string text;
  for (size_t i = 0; i < s.errors.size() && i < most; ++i) {
    const ledger::ErrorGroup& group = s.errors[i];
    text += fmt::format("{:>7} × {}\n", group.count, Escaped(group.text));
    text += fmt::format("          {}", Ids(group));
    if (!group.log.empty()) text += fmt::format("; first logged in {}", Escaped(group.log));
    if (i < s.recovered.size() && s.recovered[i]) text += "; all succeeded later";
    text += "\n";
  }
  if (s.errors.size() > most)
    text += fmt::format("          … and {} more\n", s.errors.size() - most);
  return text;
}

std::string Counts(const JobSummary& s) {
  const std::string text = fmt::format(
      "Mini-batches: {} planned, {} succeeded, {} failed, {} not run\n"
      "Items:        {} planned, {} succeeded, {} failed\n"
      "Retries:      {}\n"
      "Duration:     {:.3f} s\n",
      s.mini_batches_total, s.mini_batches_succeeded, s.mini_batches_failed, s.not_run,
      s.items_total, s.items_succeeded, s.items_failed, s.retries, s.duration_seconds);
  if (s.more_rows == 0) return text;
  return text + fmt::format("More rows:    {} returned more rows than items\n",
                            Count(s.more_rows, "mini-batch"));
}

std::string Headline(const JobSummary& s) {
  std::string text = s.state;
  if (!s.reason.empty() && s.reason != s.state) text += ": " + s.reason;
  text += "\n";
  if (!s.message.empty()) text += Escaped(s.message, Lines::kKeep) + "\n";
  return text;
}

}  // namespace

std::string JobResultText(const JobSummary& s) {
  std::string text = Headline(s);
  if (!s.errors.empty()) {
    text += "\nWhat went wrong (failed attempts, the most frequent first):\n" + Groups(s, 10);
  }
  text += "\nJob:          " + s.job + "\n" + Counts(s);
  if (!s.outputs.empty()) {
    text += "\nOutputs:\n";
    for (const auto& [name, path] : s.outputs) text += fmt::format("  {}: {}\n", name, path);
  }
  text += "\nWhat to look at:\n";
  if (!s.errors.empty()) {
    text +=
        "  user/error.txt                              every kind of error\n"
        "  user/error/<node>/processNNN.txt            every failed attempt with its traceback\n"
        "  user/stdout, user/stderr                    what the script printed\n";
  } else if (s.state == "Failed") {  // before any attempt: no slot came up, or nothing came to run
    text += "  user/stderr, user/stdout                    what the script printed\n";
  }
  return text +
         "  sys/job_report/processed_mini-batches.csv   every attempt\n"
         "  readme.txt                                  what else is in this folder\n";
}

std::string ReadmeText() {
  return "What is in this folder\n"
         "\n"
         "job_result.txt                    why the job ended, and what to look at\n"
         "job_progress_overview.<hour>.txt  how far it came, node by node\n"
         "user/error.txt                    every kind of error, the most frequent first\n"
         "user/error/<node>/                failed attempts of each process, with tracebacks\n"
         "user/stdout/<node>/               what the script printed\n"
         "user/stderr/<node>/               what it printed on stderr\n"
         "user/entry_script_log/<node>/     what it logged with EntryScript().logger\n"
         "sys/node/<node>/                  what each process was given and when it finished\n"
         "sys/job_report/                   tables:\n"
         "  processed_mini-batches.csv      one row an attempt\n"
         "  node_summary.csv                sums of each node\n"
         "  process_summary.csv             sums of each process\n"
         "sys/perf/<node>/                  CPU, memory, disks and network over time\n"
         "\n"
         "Mini-batches and processes count from 0, attempts (Picked Count) from 1. Times are UTC.\n"
         "Status of an attempt: RUN_DONE, RUN_EXCEPTION (run() raised), RUN_TIMEOUT, RUN_SHORT "
         "(fewer\n"
         "items came back than went in), LOAD_TIMEOUT and LOAD_EXCEPTION (its data could not be\n"
         "read), PROCESS_DIED.\n"
         "In tables a text that a spreadsheet would take for a formula begins with an apostrophe;\n"
         "control characters are written as \\n, \\x1b or \\u202e.\n";
}

std::string ErrorOverviewText(const JobSummary& s) {
  if (s.errors.empty()) return "No attempt failed.\n";
  return "Failed attempts, the most frequent kind first. Tracebacks are in error/<node>/.\n\n" +
         Groups(s, s.errors.size());
}

std::string ProgressOverviewText(const JobSummary& s, const std::map<std::string, Totals>& nodes,
                                 WallTime now) {
  const uint64_t done = s.mini_batches_succeeded + s.mini_batches_failed;
  const double percent = s.mini_batches_total == 0 ? 100.0
                                                   : 100.0 * static_cast<double>(done) /
                                                         static_cast<double>(s.mini_batches_total);
  std::string text = fmt::format("{} {}: {} of {} done ({:.1f} %)", FormatRfc3339(now), s.state,
                                 done, Count(s.mini_batches_total, "mini-batch"), percent);
  if (s.duration_seconds > 0) {
    text += fmt::format(", {:.1f} a second", static_cast<double>(done) / s.duration_seconds);
  }
  text += "\n\n" + Counts(s) + "\n";
  for (const auto& [node, totals] : nodes) {
    const uint64_t ended = totals.succeeded + totals.failed;
    text += fmt::format("{}: {} ({} failed) by {}, {}\n", Escaped(node), Count(ended, "mini-batch"),
                        totals.failed, Count(totals.processes, "process"),
                        Count(totals.retries, "retry"));
  }
  return text;
}

}  // namespace pj::report
