// `paralleljob plan`: the mini-batches of a job, without running it.
#include <fmt/core.h>

#include <filesystem>

#include "base/json.h"
#include "base/words.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_dir.h"
#include "cli/load_job.h"
#include "cli/local_checks.h"
#include "cli/print.h"
#include "cli/resolve.h"
#include "cli/scratch.h"
#include "plan/plan.h"
#include "worker/planning.h"

namespace pj::cli {
namespace {

constexpr uint64_t kShown = 3;  // first and last few

// Removes a folder when it goes.
class FolderRemover {
 public:
  explicit FolderRemover(std::string path) : path_(std::move(path)) {}
  FolderRemover(const FolderRemover&) = delete;
  FolderRemover& operator=(const FolderRemover&) = delete;
  ~FolderRemover() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  const std::string path_;
};

Json ToJson(const plan::MiniBatch& batch) {
  Json out;
  out["index"] = batch.index;
  out["items"] = batch.items;
  if (!batch.keys.empty()) {
    Json keys = Json::object();
    for (const auto& [name, value] : batch.keys) keys[name] = value;
    out["partitionKeys"] = std::move(keys);
  }
  Json files = Json::array();
  for (const plan::FileRef& file : batch.files) files.push_back(file.path);
  for (const plan::TableRange& range : batch.ranges) {
    files.push_back({{"path", range.file.path},
                     {"offset", range.offset},
                     {"length", range.length},
                     {"records", range.records}});
  }
  out["data"] = std::move(files);
  return out;
}

std::string ToText(const plan::MiniBatch& batch) {
  std::string text =
      fmt::format("{:>8}  {:>8} {:<5}  ", batch.index, batch.items, NounFor(batch.items, "item"));
  for (const auto& [name, value] : batch.keys) text += fmt::format("{}={} ", name, value);
  if (!batch.files.empty()) {
    text += batch.files.front().path;
    if (batch.files.size() > 1) text += " … " + batch.files.back().path;
  } else if (!batch.ranges.empty()) {
    const plan::TableRange& first = batch.ranges.front();
    text += fmt::format("{} [{}, {})", first.file.path, first.offset, first.offset + first.length);
    if (batch.ranges.size() > 1) text += " and " + Count(batch.ranges.size() - 1, "more range");
  }
  return text;
}

Json Totals(const std::string& job, const plan::Plan& plan) {
  Json out;
  out["job"] = job;
  out["miniBatches"] = plan.size();
  out["items"] = plan.total_items();
  out["hash"] = plan.hash();
  if (const plan::TableSchema* schema = plan.schema(); schema != nullptr) {
    Json columns = Json::array();
    for (const plan::Column& column : schema->columns) columns.push_back(column.name);
    out["columns"] = std::move(columns);
  }
  return out;
}

Status PrintAll(const plan::Plan& plan, bool json) {
  for (uint64_t i = 0; i < plan.size(); ++i) {
    if (OutLost()) return {};  // `plan --all | head`
    PJ_ASSIGN(plan::MiniBatch batch, plan.Get(i));
    Print("{}\n", json ? DumpJson(ToJson(batch)) : ToText(batch));
  }
  return {};
}

Status PrintSome(const std::string& job, const plan::Plan& plan, bool json) {
  Json first = Json::array();
  Json last = Json::array();
  const uint64_t head = std::min(kShown, plan.size());
  const uint64_t tail = std::min(kShown, plan.size() - head);
  for (uint64_t i = 0; i < head + tail; ++i) {
    const uint64_t index = i < head ? i : plan.size() - tail + (i - head);
    PJ_ASSIGN(plan::MiniBatch batch, plan.Get(index));
    if (json) {
      (i < head ? first : last).push_back(ToJson(batch));
      continue;
    }
    if (i == head && plan.size() > head + tail) Print("       …\n");
    Print("{}\n", ToText(batch));
  }
  Json totals = Totals(job, plan);
  if (json) {
    totals["first"] = std::move(first);
    totals["last"] = std::move(last);
    Print("{}\n", DumpJson(totals));
  } else {
    Print("{}, {}\n", Count(plan.size(), "mini-batch"), Count(plan.total_items(), "item"));
  }
  return {};
}

Status Plan(const api::LoadedJob& job, const PlanOptions& options) {
  PJ_ASSIGN(auto inputs, ResolveInputs(job.job));
  PJ_ASSIGN(const std::string scratch, MakeScratchFolder("paralleljob-plan-"));
  const FolderRemover remover(scratch);
  std::vector<std::string> warnings;
  PJ_ASSIGN(plan::PlanRequest request,
            worker::MakePlanRequest(job.job.spec, inputs, {.azure = job.from_azure}, &warnings));
  for (const std::string& warning : warnings) PrintWarning(warning);
  PJ_ASSIGN(const JobDir dir, JobDir::At(OutputFolder(options.output_dir, job.job.name)));
  for (plan::SourceSpec& source : request.sources) source.exclude.push_back(dir.root());
  request.sort_dir = scratch;
  PJ_ASSIGN(std::unique_ptr<plan::Plan> plan, plan::BuildPlan(request, scratch + "/plan"));
  if (options.all) return PrintAll(*plan, options.file.json);
  return PrintSome(job.job.name, *plan, options.file.json);
}

}  // namespace

int PlanCommand(const PlanOptions& options) {
  const std::optional<api::LoadedJob> job = LoadOne(options.file);
  if (!job) return kExitBadInput;
  Diagnostics inputs;
  CheckInputs(*job, Severity::kError, &inputs);
  CheckPlanning(*job, std::nullopt, &inputs);
  if (inputs.HasErrors()) {
    PrintDiagnostics(inputs);
    if (options.file.json) Print("{}\n", NotStartedJson(inputs));
    return kExitBadInput;
  }
  if (Status planned = Plan(*job, options); !planned) {
    return NotStarted(planned.error(), options.file.json);
  }
  return kExitDone;
}

}  // namespace pj::cli
