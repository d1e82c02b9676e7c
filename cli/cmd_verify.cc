// `paralleljob verify DIR`: recounts output, ledger and reports against each other; of what `fetch`
// brought, output and reports against the result.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <unordered_map>
#include <utility>

#include "base/fs.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/fetched_job.h"
#include "cli/findings.h"
#include "cli/finish.h"
#include "cli/moved_run.h"
#include "cli/open_dir.h"
#include "cli/print.h"
#include "output/publish.h"
#include "plan/plan.h"
#include "report/report.h"
#include "report/rollup.h"

namespace pj::cli {
namespace {

void CheckPartition(const OpenedDir& opened, Findings* findings) {
  uint64_t at = 0;
  for (const ledger::ShardRecord& shard : opened.shards) {
    // Of a run that goes on, some may not be claimed yet.
    if (opened.result ? shard.lo != at : shard.lo < at)
      findings->push_back(fmt::format("shard {} begins where {} was expected", shard.lo, at));
    if (opened.result && !shard.sealed)
      findings->push_back(fmt::format("shard {} is not sealed", shard.lo));
    at = shard.hi;
  }
  const bool sealed =
      !opened.shards.empty() &&
      std::ranges::all_of(opened.shards, [](const auto& shard) { return shard.sealed; });
  if (!opened.result && sealed) {
    findings->push_back(
        "every shard is sealed, but the result is missing: the same command ends the run");
  }
  if (opened.result) Expect(findings, "end of the last shard", opened.plan.mini_batches, at);
}

void CheckPlan(const OpenedDir& opened, Findings* findings) {
  const Result<std::unique_ptr<plan::Plan>> plan = plan::OpenPlan(opened.dir.PlanFile());
  if (!plan) {
    findings->push_back(plan.error().ToString());
    return;
  }
  if ((*plan)->hash() != opened.plan.hash)
    findings->push_back("the plan file is not the one of this run");
  Expect(findings, "mini-batches in the plan", opened.plan.mini_batches, (*plan)->size());
}

void CheckSummary(const OpenedDir& opened, Findings* findings) {
  const Result<Json> summary = ParseJson(opened.result->summary_json, "result");
  if (!summary) {
    findings->push_back(summary.error().ToString());
    return;
  }
  const report::JobSummary ledger = SummaryOf(opened.job, opened.plan, opened.shards);
  const Json& batches = (*summary)["miniBatches"];
  const Json& items = (*summary)["items"];
  const char* state = opened.result->exit_code == kExitDone ? "Complete" : "Failed";
  if (summary->value("state", "") != state) {
    findings->push_back(fmt::format("the result's state is {}, and its exit code {} says {}",
                                    summary->value("state", ""), opened.result->exit_code, state));
  }
  Expect(findings, "mini-batches in all, result against plan", ledger.mini_batches_total,
         batches.value("total", uint64_t{0}));
  Expect(findings, "mini-batches not run, result against ledger", ledger.not_run,
         batches.value("notRun", uint64_t{0}));
  Expect(findings, "items in all, result against plan", ledger.items_total,
         items.value("total", uint64_t{0}));
  Expect(findings, "mini-batches succeeded, result against ledger", ledger.mini_batches_succeeded,
         batches.value("succeeded", uint64_t{0}));
  Expect(findings, "mini-batches failed, result against ledger", ledger.mini_batches_failed,
         batches.value("failed", uint64_t{0}));
  Expect(findings, "items succeeded, result against ledger", ledger.items_succeeded,
         items.value("succeeded", uint64_t{0}));
  Expect(findings, "items failed, result against ledger", ledger.items_failed,
         items.value("failed", uint64_t{0}));
  Expect(findings, "retries, result against ledger", ledger.retries,
         summary->value("retries", uint64_t{0}));
}

// The report's rows against those that the attempt records give, in any order.
class ReportCheck {
 public:
  void Wants(const output::AttemptRecord& record) {
    ++rows_[std::hash<std::string>()(report::ProcessedRow(record))];
    ++wanted_;
  }

  // `text`: the whole file; quoted fields may hold newlines.
  // Of a run that has not ended, the last rows may be missing: the next start writes them.
  void Compare(std::string_view text, bool ended, Findings* findings) {
    uint64_t found = 0;
    uint64_t foreign = 0;
    bool quoted = false;
    bool header = true;
    std::string row;
    std::string first;
    for (const char c : text) {
      if (c == '"') quoted = !quoted;
      row.push_back(c);
      if (c != '\n' || quoted) continue;
      if (!std::exchange(header, false)) {
        ++found;
        const auto it = rows_.find(std::hash<std::string>()(row));
        const bool known = it != rows_.end() && it->second > 0;
        if (known) --it->second;
        if (!known && foreign++ == 0) first = row.substr(0, row.find(','));
      }
      row.clear();
    }
    if (ended) Expect(findings, "rows of processed_mini-batches.csv", wanted_, found);
    if (foreign == 0) return;
    findings->push_back(
        fmt::format("{} rows of processed_mini-batches.csv are not what the attempt records say, "
                    "the first of mini-batch {}",
                    foreign, first));
  }

 private:
  std::unordered_map<size_t, uint64_t> rows_;  // hash of a row → how often it must come
  uint64_t wanted_ = 0;
};

// What is written once, at the end.
void CheckFinalReports(const OpenedDir& opened, const report::Rollup& rollup, Findings* findings) {
  const std::string logs = opened.dir.Logs() + "/";
  const auto read = [&](const std::string& file) {
    const Result<std::string> text = ReadFile(logs + file, uint64_t{1} << 30);
    if (!text) findings->push_back(text.error().ToString());
    return text.value_or("");
  };
  for (const auto& [file, wanted] : {std::pair(report::kNodeSummaryCsv, rollup.NodeCsv()),
                                     std::pair(report::kProcessSummaryCsv, rollup.ProcessCsv())}) {
    const std::string found = read(file);
    if (found.empty() || found == wanted) continue;
    findings->push_back(fmt::format("{} is not what the attempt records say", file));
  }
  const Result<Json> summary = ParseJson(opened.result->summary_json, "result");
  const std::string state = summary && summary->is_object() ? summary->value("state", "") : "";
  const std::string told = read(report::kJobResultFile);
  if (!told.empty() && !told.starts_with(state)) {
    findings->push_back(fmt::format("{} does not say {}", report::kJobResultFile, state));
  }
  read(report::kErrorOverviewFile);
}

// Attempt records against the ledger's counters and the csv report's lines.
Status CheckAttempts(const OpenedDir& opened, const std::string& logs, Findings* findings) {
  uint64_t records = 0;
  uint64_t terminal = 0;
  uint64_t items_ok = 0;
  ReportCheck rows;
  report::Rollup rollup;
  PJ_TRY(AttemptsOf(opened.shards, opened.dir.Segments())([&](const output::AttemptRecord& record) {
    ++records;
    rows.Wants(record);
    rollup.Add(record);
    if (!record.terminal) return;
    ++terminal;
    items_ok += record.items_ok;
  }));
  const report::JobSummary ledger = SummaryOf(opened.job, opened.plan, opened.shards);
  Expect(findings, "terminal attempt records against the ledger",
         ledger.mini_batches_succeeded + ledger.mini_batches_failed, terminal);
  uint64_t waiting = 0;  // failed at least once, and neither repeated to the end nor given up
  for (const ledger::ShardRecord& shard : opened.shards) waiting += shard.attempts.size();
  Expect(findings, "attempt records against the ledger's retries",
         terminal + waiting + ledger.retries, records);
  Expect(findings, "items succeeded, attempts against ledger", ledger.items_succeeded, items_ok);
  const std::string csv = logs + "/sys/job_report/processed_mini-batches.csv";
  PJ_ASSIGN(std::string text, ReadFile(csv, uint64_t{1} << 36));
  rows.Compare(text, opened.result.has_value(), findings);
  if (opened.result) CheckFinalReports(opened, rollup, findings);
  return {};
}

Status CheckOutput(const OpenedDir& opened, Findings* findings) {
  output::PublishRequest request;
  request.segments_dir = opened.dir.Segments();
  request.shards = opened.shards;
  request.mini_batches = opened.plan.mini_batches;
  request.ended = opened.result.has_value();
  request.complete = opened.result && opened.result->exit_code == kExitDone;
  if (opened.result) request.header = opened.result->header;
  PJ_ASSIGN(output::Audit audit, output::AuditSegments(request));
  findings->insert(findings->end(), audit.findings.begin(), audit.findings.end());
  if (!opened.result || opened.result->published_path.empty()) return {};
  const StoredResult& result = *opened.result;
  PJ_ASSIGN(FileSum file, SumFile(PathHere(opened.dir, result, result.published_path)));
  Expect(findings, "bytes of the output file", audit.bytes, file.bytes);
  Expect(findings, "checksum of the output file", audit.crc, file.crc);
  Expect(findings, "rows, result against segments", audit.rows, result.published_rows);
  Expect(findings, "bytes, result against segments", audit.bytes, result.published_bytes);
  return {};
}

Findings Verify(const OpenedDir& opened) {
  Findings findings;
  CheckPartition(opened, &findings);
  CheckPlan(opened, &findings);
  if (opened.result) CheckSummary(opened, &findings);
  if (Status checked = CheckAttempts(opened, opened.dir.Logs(), &findings); !checked) {
    findings.push_back(checked.error().ToString());
  }
  if (Status checked = CheckOutput(opened, &findings); !checked) {
    findings.push_back(checked.error().ToString());
  }
  return findings;
}

struct Verified {
  std::string job;
  std::string folder;
  bool finished = false;
  std::string good;  // said when nothing was found
};

int Tell(const Verified& what, const Findings& findings, bool json) {
  if (json) {
    Print("{}\n", DumpJson({{"job", what.job},
                            {"verified", findings.empty()},
                            {"finished", what.finished},
                            {"findings", findings}}));
  } else if (findings.empty()) {
    Print("{}\n", what.good);
  }
  for (const std::string& finding : findings) PrintErr("error: {}: {}\n", finding, what.folder);
  return findings.empty() ? kExitDone : kExitJobFailed;
}

std::string GoodRun(const OpenedDir& opened) {
  if (opened.result) {
    return fmt::format("verified: {} mini-batches, ledger, segments, output and reports agree",
                       opened.plan.mini_batches);
  }
  const report::JobSummary now = SummaryOf(opened.job, opened.plan, opened.shards);
  return fmt::format("verified so far: {} of {} mini-batches are committed, and all of it agrees",
                     now.mini_batches_total - now.not_run, now.mini_batches_total);
}

int TellFetched(const DirOptions& options, const FetchedJob& job) {
  return Tell(
      {.job = job.job,
       .folder = options.dir,
       .finished = true,
       .good = fmt::format("verified: {} agree with the result of {}/{}; its ledger and "
                           "segments stay in the cluster",
                           job.logs ? "output and reports" : "the outputs", job.ns, job.job)},
      VerifyFetched(options.dir, job), options.json);
}

}  // namespace

int VerifyCommand(const DirOptions& options) {
  const Result<OpenedDir> opened = OpenDir(options.dir);
  if (!opened) {
    const Result<std::optional<FetchedJob>> fetched = LoadFetched(options.dir);
    if (fetched && *fetched) return TellFetched(options, **fetched);
    const Error& error = fetched ? opened.error() : fetched.error();
    const int code = NotStarted(error, options.json);
    return error.code == Code::kCorrupt ? kExitJobFailed : code;
  }
  return Tell({.job = opened->job,
               .folder = opened->dir.root(),
               .finished = opened->result.has_value(),
               .good = GoodRun(*opened)},
              Verify(*opened), options.json);
}

}  // namespace pj::cli
