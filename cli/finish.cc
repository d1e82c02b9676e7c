#include "cli/finish.h"

#include <fmt/core.h>

#include <filesystem>

#include "base/fault_point.h"
#include "base/json.h"
#include "cli/exit_codes.h"
#include "output/publish.h"
#include "output/segment.h"
#include "worker/seal.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

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
  for (const ledger::ShardRecord& shard : shards) {
    for (const ledger::OutputMark& mark : shard.outputs) {
      if (mark.rows > 0) return true;
    }
  }
  return false;
}

struct PublishedRows {
  output::Published published;
  std::string header;
};

// The appended file, or its committed part beside it; nothing when there is nothing to publish.
Result<std::optional<PublishedRows>> PublishRows(const FinishRequest& request, bool complete,
                                                 std::vector<ledger::ShardRecord> shards) {
  const ResolvedJob& resolved = *request.resolved;
  if (resolved.append_file.empty()) return std::optional<PublishedRows>();
  if (!complete && !AnyRows(shards)) return std::optional<PublishedRows>();
  PJ_ASSIGN(std::vector<std::string> columns, request.state->LoadColumns());
  output::PublishRequest publish;
  publish.segments_dir = request.dir->Segments();
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

Status FillSummary(const FinishRequest& request, const policy::Verdict& verdict,
                   const std::optional<PublishedRows>& rows, report::JobSummary* summary) {
  const bool complete = verdict.state == policy::JobState::kComplete;
  summary->state = complete ? "Complete" : "Failed";
  summary->reason = verdict.reason;
  summary->message = verdict.message;
  summary->duration_seconds = SecondsSinceStart(*request.state);
  summary->logs = request.dir->Logs();
  summary->outputs = request.resolved->outputs;
  const std::string& append = request.job->job.spec.task.append_row_to;
  if (append.empty() || complete) return {};
  summary->outputs.erase(append);
  if (rows) summary->outputs[append] = rows->published.path;
  return {};
}

// --copy_logs_to_parent: the step's logs also stand under the pipeline's.
Status CopyLogsToParent(const FinishRequest& request) {
  if (!request.dir->IsPipeline() || !request.job->job.spec.copy_logs_to_parent.value) return {};
  std::error_code error;
  fs::copy(request.dir->Logs(), request.dir->PipelineLogs() + "/" + request.job->step,
           fs::copy_options::recursive | fs::copy_options::overwrite_existing, error);
  if (error) return FailErrno(error.value(), "cannot copy the logs", request.dir->PipelineLogs());
  return {};
}

Json OutputsJson(const std::map<std::string, std::string>& outputs) {
  Json out = Json::object();
  for (const auto& [name, path] : outputs) out[name] = path;
  return out;
}

}  // namespace

report::AttemptSource AttemptsOf(const std::vector<ledger::ShardRecord>& shards,
                                 const std::string& segments_dir) {
  std::vector<ledger::OutputMark> marks;
  for (const ledger::ShardRecord& shard : shards) {
    marks.insert(marks.end(), shard.outputs.begin(), shard.outputs.end());
  }
  return [marks,
          segments_dir](const std::function<void(const output::AttemptRecord&)>& each) -> Status {
    for (const ledger::OutputMark& mark : marks) {
      PJ_TRY(output::ReadAttempts(segments_dir, mark, each));
    }
    return {};
  };
}

double SecondsSinceStart(const RunState& state) {
  const int64_t now = SystemClock().Wall().time_since_epoch().count();
  return static_cast<double>(now - state.created_wall_ns()) * 1e-9;
}

report::JobSummary SummaryOf(const std::string& job, const PlanFacts& plan,
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

std::string FinalJson(const api::LoadedJob& job, const report::JobSummary& summary) {
  if (job.step.empty()) return report::SummaryJson(summary);
  Result<Json> step = ParseJson(report::SummaryJson(summary));
  Json whole = *step;
  (*step)["name"] = job.step;
  std::map<std::string, std::string> outputs;
  for (const auto& [pipeline_name, name] : job.pipeline_outputs) {
    const auto it = summary.outputs.find(name);
    if (it != summary.outputs.end()) outputs[pipeline_name] = it->second;
  }
  whole["outputs"] = OutputsJson(outputs);
  whole["steps"] = Json::array({*step});
  return DumpJson(whole);
}

Result<StoredResult> FinishRun(const FinishRequest& request) {
  PJ_ASSIGN(std::vector<ledger::ShardRecord> shards,
            worker::SealLedger({.api = request.api,
                                .ns = kNamespace,
                                .job = request.job->job.name,
                                .identity = request.state->identity(),
                                .mini_batches = request.plan.mini_batches,
                                .roots = request.plan.roots,
                                .incarnation = request.incarnation}));
  PJ_FAULT("after_seal");
  report::JobSummary summary = SummaryOf(request.job->job.name, request.plan, shards);
  const policy::Verdict verdict =
      request.failure ? *request.failure
                      : policy::FinalVerdict(policy::Sum(shards, request.plan.mini_batches),
                                             request.thresholds);
  const bool complete = verdict.state == policy::JobState::kComplete;
  const report::AttemptSource attempts = AttemptsOf(shards, request.dir->Segments());
  PJ_ASSIGN(std::optional<PublishedRows> rows, PublishRows(request, complete, std::move(shards)));
  PJ_FAULT("after_publish");
  PJ_TRY(FillSummary(request, verdict, rows, &summary));
  PJ_ASSIGN(report::GroupedErrors grouped, report::GroupErrors(attempts));
  summary.errors = std::move(grouped.groups);
  summary.recovered = std::move(grouped.recovered);
  for (const Status& logged :
       {report::WriteReports(request.dir->Logs(), summary, attempts), CopyLogsToParent(request)}) {
    if (logged) continue;
    summary.message += (summary.message.empty() ? "" : " · ") + logged.error().ToString();
  }
  StoredResult result;
  result.exit_code = complete ? kExitDone : kExitJobFailed;
  result.summary_json = FinalJson(*request.job, summary);
  if (rows) {
    result.published_path = rows->published.path;
    result.published_bytes = rows->published.bytes;
    result.published_rows = rows->published.rows;
    result.published_crc = rows->published.crc;
    result.header = rows->header;
  }
  PJ_TRY(request.state->CreateResult(result));
  PJ_FAULT("after_result");
  return result;
}

}  // namespace pj::cli
