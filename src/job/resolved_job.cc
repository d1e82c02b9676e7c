#include "job/resolved_job.h"

#include <filesystem>

#include "api/load.h"
#include "base/diagnostics.h"

namespace pj::job {
namespace {

namespace fs = std::filesystem;

std::string FormatByExtension(const std::string& path) {
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".csv") return "csv";
  if (extension == ".jsonl") return "jsonl";
  return "text";
}

std::string FormatName(api::OutputFormat format) {
  switch (format) {
    case api::OutputFormat::kCsv:
      return "csv";
    case api::OutputFormat::kJsonl:
      return "jsonl";
    case api::OutputFormat::kParquet:
      return "parquet";
    case api::OutputFormat::kText:
      break;
  }
  return "text";
}

void ResolveAppend(const api::ParallelJobSpec& spec, ResolvedJob* made) {
  const api::Output* output = spec.FindOutput(spec.task.append_row_to);
  if (output == nullptr) return;
  const std::string& place = made->outputs[output->name];
  made->append_file = IsFolder(output->type) ? place + "/parallel_run_step.txt" : place;
  made->append_format =
      output->format ? FormatName(*output->format) : FormatByExtension(made->append_file);
  made->append_header = output->header.value_or(made->append_format == "csv");
}

bool CountsRows(const api::ParallelJobSpec& spec) {
  switch (spec.success_policy.value) {
    case api::SuccessPolicy::kRowCount:
      return true;
    case api::SuccessPolicy::kNoException:
      return false;
    case api::SuccessPolicy::kAuto:
      break;
  }
  return !spec.task.append_row_to.empty() || spec.error_threshold.value >= 0;
}

std::vector<std::string> ScriptArguments(const api::ParallelJobSpec& spec,
                                         const ResolvedJob& made) {
  std::map<std::string, std::string> values;
  for (const auto& [name, path] : made.inputs) values["inputs." + name] = path;
  for (const auto& [name, path] : made.outputs) values["outputs." + name] = path;
  api::ParallelJobSpec scratch = spec;
  Diagnostics ignored;
  return api::BindArguments(
      api::SplitProgramArguments(spec.task.program_arguments, &scratch, {}, &ignored), values);
}

}  // namespace

bool IsFolder(api::DataType type) { return type != api::DataType::kUriFile; }

void ResolveTask(const api::ParallelJobSpec& spec, ResolvedJob* made) {
  ResolveAppend(spec, made);
  made->count_rows = CountsRows(spec);
  made->argv = ScriptArguments(spec, *made);
}

}  // namespace pj::job
