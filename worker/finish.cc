#include "worker/finish.h"

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "base/fault_point.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/rename_onto.h"
#include "base/words.h"
#include "output/publish.h"
#include "output/segment.h"
#include "worker/schema_gate.h"
#include "worker/seal.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

// What `result` holds: the summary, the header (no longer than the columns as a JSON list), a path
// and a few numbers.
static_assert(report::kSummaryBytes + kColumnsBytes + (16 << 10) <= limits::kConfigMapBytes);

// As pandas' to_csv quotes a name: only where separator, quote or line end stand in it.
std::string CsvField(const std::string& text, char separator) {
  if (text.find_first_of(std::string("\"\r\n") + separator) == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

bool AnyRows(const std::vector<ledger::ShardRecord>& shards) {
  return std::any_of(shards.begin(), shards.end(), [](const ledger::ShardRecord& shard) {
    return std::any_of(shard.outputs.begin(), shard.outputs.end(),
                       [](const ledger::OutputMark& mark) { return mark.rows > 0; });
  });
}

struct PublishedRows {
  output::Published published;
  std::string header;
};

// The appended file, or its committed part beside it; nothing when there is nothing to publish.
Result<std::optional<PublishedRows>> PublishRows(const FinishRequest& request, bool complete,
                                                 std::vector<ledger::ShardRecord> shards) {
  const job::ResolvedJob& resolved = *request.resolved;
  if (resolved.append_file.empty()) return std::optional<PublishedRows>();
  if (!complete && !AnyRows(shards)) return std::optional<PublishedRows>();
  PJ_ASSIGN(std::vector<std::string> columns, request.store->LoadColumns());
  output::PublishRequest publish;
  publish.segments_dir = request.segments_dir;
  publish.files = request.files;
  publish.shards = std::move(shards);
  publish.mini_batches = request.plan.mini_batches;
  publish.complete = complete;
  publish.header = HeaderLine(columns, resolved.append_format, resolved.append_header);
  publish.destination = resolved.append_file + (complete ? "" : ".partial");
  PJ_TRY(MakeDirs(fs::path(publish.destination).parent_path().string()));
  PublishedRows rows;
  rows.header = publish.header;
  PJ_ASSIGN(rows.published, output::Publish(publish));
  return std::optional<PublishedRows>(std::move(rows));
}

void FillSummary(const FinishRequest& request, const policy::Verdict& verdict,
                 const std::optional<PublishedRows>& rows, report::JobSummary* summary) {
  const bool complete = verdict.state == policy::JobState::kComplete;
  summary->state = complete ? "Complete" : "Failed";
  summary->reason = verdict.reason;
  summary->message = verdict.message;
  summary->duration_seconds = SecondsSince(request.started_wall_ns);
  summary->logs = request.logs_dir;
  summary->outputs = request.resolved->outputs;
  if (request.append_output.empty() || complete) return;
  summary->outputs.erase(request.append_output);
  if (rows) summary->outputs[request.append_output] = rows->published.path;
}

policy::Verdict VerdictOf(const FinishRequest& request,
                          const std::vector<ledger::ShardRecord>& shards) {
  if (request.failure && !request.ledger_first) return *request.failure;
  policy::Verdict verdict =
      policy::FinalVerdict(policy::Sum(shards, request.plan.mini_batches), request.thresholds);
  if (verdict.state == policy::JobState::kRunning && request.failure) return *request.failure;
  return verdict;
}

Status WriteProcessed(const FinishRequest& request, const report::AttemptSource& attempts) {
  if (!request.processed_csv) return {};
  const std::string path = report::ProcessedCsvPath(request.logs_dir);
  const std::string fresh = path + ".new";  // whoever wrote it so far may still be at it
  PJ_TRY(MakeDirs(fs::path(path).parent_path().string()));
  {
    PJ_ASSIGN(const std::unique_ptr<report::ProcessedCsv> csv, report::ProcessedCsv::Create(fresh));
    PJ_TRY(attempts([&csv](const output::AttemptRecord& record) { csv->Add(record); }));
    csv->Flush();
    if (csv->Dropped() > 0) return Fail(Code::kIo, "the file is not whole", fresh);
  }
  std::error_code ignored;  // another finaliser may have put its own there
  return RenameOnto(fresh, path, {.is_there = [&] { return fs::exists(path, ignored); }});
}

// Logs that cannot be written don't stop a job; its message says so.
void WriteLogs(const FinishRequest& request, const report::AttemptSource& attempts,
               report::JobSummary* summary) {
  std::vector<Status> done;
  done.push_back(WriteProcessed(request, attempts));
  done.push_back(report::WriteReports(request.logs_dir, summary, attempts));
  if (summary->more_rows > 0) {
    PJ_WARN("{} returned more rows than {} had items", Count(summary->more_rows, "mini-batch"),
            summary->more_rows == 1 ? "it" : "they");
  }
  if (request.after_reports) done.push_back(request.after_reports());
  for (const Status& logged : done) {
    if (logged) continue;
    summary->message += (summary->message.empty() ? "" : " · ") + logged.error().ToString();
  }
}

}  // namespace

report::AttemptSource AttemptsOf(const std::vector<ledger::ShardRecord>& shards,
                                 const std::string& segments_dir, output::FileOps* files) {
  std::vector<ledger::OutputMark> marks;
  for (const ledger::ShardRecord& shard : shards) {
    marks.insert(marks.end(), shard.outputs.begin(), shard.outputs.end());
  }
  return [marks, segments_dir,
          files](const std::function<void(const output::AttemptRecord&)>& each) -> Status {
    for (const ledger::OutputMark& mark : marks) {
      PJ_TRY(output::ReadAttempts(segments_dir, mark, each, 0, files));
    }
    return {};
  };
}

report::AttemptSource NoAttempts() {
  return [](const std::function<void(const output::AttemptRecord&)>&) -> Status { return {}; };
}

double SecondsSince(int64_t wall_ns) {
  if (wall_ns == 0) return 0;
  const int64_t now = SystemClock().Wall().time_since_epoch().count();
  return static_cast<double>(now - wall_ns) * 1e-9;
}

report::JobSummary SummaryOf(const std::string& job, const job::PlanFacts& plan,
                             const std::vector<ledger::ShardRecord>& shards) {
  const policy::Sums sums = policy::Sum(shards, plan.mini_batches);
  report::JobSummary summary;
  summary.job = job;
  summary.state = "Unfinished";
  summary.mini_batches_total = plan.mini_batches;
  summary.mini_batches_failed = sums.counters.mini_batches_failed;
  summary.mini_batches_succeeded = sums.done - sums.counters.mini_batches_failed;
  summary.not_run = plan.mini_batches - sums.done;
  summary.items_total = plan.items;
  summary.items_succeeded = sums.counters.items_ok;
  summary.items_failed = sums.counters.items_failed;
  summary.retries = sums.counters.retries;
  summary.errors = sums.errors;
  summary.recovered.assign(summary.errors.size(), false);
  return summary;
}

std::string HeaderLine(const std::vector<std::string>& columns, const std::string& format,
                       bool header) {
  if (!header || (format != "csv" && format != "text") || columns.empty()) return {};
  const char separator = format == "csv" ? ',' : ' ';
  std::string line = CsvField(columns[0], separator);
  for (size_t i = 1; i < columns.size(); ++i) line += separator + CsvField(columns[i], separator);
  return line + "\n";
}

Result<job::StoredResult> FinishRun(const FinishRequest& request) {
  const job::JobObjects& objects = request.store->objects();
  PJ_ASSIGN(std::vector<ledger::ShardRecord> shards,
            SealLedger({.api = request.store->api(),
                        .ns = objects.ns,
                        .job = objects.job,
                        .identity = objects.identity,
                        .mini_batches = request.plan.mini_batches,
                        .roots = request.plan.roots,
                        .incarnation = request.incarnation}));
  PJ_FAULT("after_seal");
  report::JobSummary summary = SummaryOf(objects.job, request.plan, shards);
  policy::Verdict verdict = VerdictOf(request, shards);
  const bool complete = verdict.state == policy::JobState::kComplete;
  const report::AttemptSource attempts =
      request.attempts_scattered ? NoAttempts()
                                 : AttemptsOf(shards, request.segments_dir, request.files);
  PJ_ASSIGN(const std::optional<PublishedRows> rows,
            PublishRows(request, complete, std::move(shards)));
  PJ_FAULT("after_publish");
  FillSummary(request, verdict, rows, &summary);
  if (!request.attempts_scattered) {
    PJ_ASSIGN(report::GroupedErrors grouped, report::GroupErrors(attempts));
    summary.errors = std::move(grouped.groups);
    summary.recovered = std::move(grouped.recovered);
  }
  WriteLogs(request, attempts, &summary);
  job::StoredResult result;
  result.exit_code = complete ? 0 : 1;
  result.summary_json = request.to_json ? request.to_json(summary) : report::SummaryJson(summary);
  if (rows) {
    result.published_path = rows->published.path;
    result.published_bytes = rows->published.bytes;
    result.published_rows = rows->published.rows;
    result.published_crc = rows->published.crc;
    result.header = rows->header;
  }
  PJ_ASSIGN(result, request.store->SettleResult(std::move(result)));
  PJ_FAULT("after_result");
  return result;
}

}  // namespace pj::worker
