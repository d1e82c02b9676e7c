#include "cli/finish.h"

#include <filesystem>

#include "base/json.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

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

double SecondsSinceStart(const RunState& state) {
  return worker::SecondsSince(state.created_wall_ns());
}

std::string FinalJson(const api::LoadedJob& job, const report::JobSummary& summary) {
  return SummaryJsonOf(job.step, job.pipeline_outputs, summary);
}

std::string SummaryJsonOf(const std::string& step_name,
                          const std::map<std::string, std::string>& pipeline_outputs,
                          const report::JobSummary& summary) {
  if (step_name.empty()) return report::SummaryJson(summary);
  // The object holds it twice: as the pipeline's and as its step's.
  Result<Json> step = ParseJson(report::SummaryJson(summary, report::kSummaryBytes / 2));
  Json whole = *step;
  (*step)["name"] = step_name;
  std::map<std::string, std::string> outputs;
  for (const auto& [pipeline_name, name] : pipeline_outputs) {
    const auto it = summary.outputs.find(name);
    if (it != summary.outputs.end()) outputs[pipeline_name] = it->second;
  }
  whole["outputs"] = OutputsJson(outputs);
  whole["steps"] = Json::array({*step});
  return DumpJson(whole);
}

Result<StoredResult> FinishRun(const FinishRequest& request) {
  const job::RunStore store = request.state->store();
  worker::FinishRequest finish;
  finish.store = &store;
  finish.resolved = request.resolved;
  finish.append_output = request.job->job.spec.task.append_row_to;
  finish.segments_dir = request.dir->Segments();
  finish.logs_dir = request.dir->Logs();
  finish.plan = request.plan;
  finish.thresholds = request.thresholds;
  finish.incarnation = request.incarnation;
  finish.started_wall_ns = request.state->created_wall_ns();
  finish.failure = request.failure;
  finish.after_reports = [&request] { return CopyLogsToParent(request); };
  finish.to_json = [&request](const report::JobSummary& summary) {
    return FinalJson(*request.job, summary);
  };
  return worker::FinishRun(finish);
}

}  // namespace pj::cli
