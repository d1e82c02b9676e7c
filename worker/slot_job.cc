#include "worker/slot_job.h"

#include <fmt/core.h>

#include <sstream>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pj::worker {
namespace {

std::string_view TypeName(plan::ColumnType type) {
  switch (type) {
    case plan::ColumnType::kString:
      return "string";
    case plan::ColumnType::kInteger:
      return "integer";
    case plan::ColumnType::kFloat:
      return "float";
    case plan::ColumnType::kBoolean:
      return "boolean";
    case plan::ColumnType::kDatetime:
      return "datetime";
  }
  return "string";
}

std::string_view HeaderName(plan::HeaderMode mode) {
  switch (mode) {
    case plan::HeaderMode::kNoHeader:
      return "no_header";
    case plan::HeaderMode::kFromFirstFile:
      return "from_first_file";
    case plan::HeaderMode::kAllFilesDifferentHeaders:
      return "all_files_different_headers";
    case plan::HeaderMode::kAllFilesSameHeaders:
      return "all_files_same_headers";
  }
  return "all_files_same_headers";
}

Json Columns(const std::vector<plan::Column>& columns) {
  Json out = Json::array();
  for (const plan::Column& column : columns) {
    out.push_back({{"name", column.name}, {"type", TypeName(column.type)}});
  }
  return out;
}

Json Table(const plan::TableSchema& schema) {
  const plan::DelimitedOptions& options = schema.options;
  Json headers = Json::array();
  for (const auto& header : schema.headers) headers.push_back(Columns(header));
  return {{"delimiter", std::string(1, options.delimiter)},
          {"header", HeaderName(options.header)},
          {"support_multi_line", options.support_multi_line},
          {"empty_as_string", options.empty_as_string},
          {"include_path_column", options.include_path_column},
          {"infer_column_types", options.infer_column_types},
          {"encoding", options.encoding},
          {"columns", Columns(schema.columns)},
          {"headers", headers},
          {"path_columns", schema.path_columns},
          {"path_pattern", schema.path_pattern}};
}

// What the job's own CUDA_VISIBLE_DEVICES allows, else all that there are.
std::vector<std::string> AllowedGpus(const SlotJob& job, const std::vector<std::string>& gpus) {
  const auto given = job.env.find("CUDA_VISIBLE_DEVICES");
  if (given == job.env.end()) return gpus;
  std::vector<std::string> out;
  std::istringstream list(given->second);
  for (std::string device; std::getline(list, device, ',');) out.push_back(device);
  return out;
}

}  // namespace

std::string EncodeSlotJob(const SlotJob& job) {
  Json out = {{"python", job.python},
              {"runtime_dir", job.runtime_dir},
              {"code_dir", job.code_dir},
              {"code_exclude", job.code_exclude},
              {"scratch_dir", job.scratch_dir},
              {"entry_script", job.entry_script},
              {"argv", job.argv},
              {"env", job.env},
              {"job_name", job.job_name},
              {"output_dir", job.output_dir},
              {"logs_dir", job.logs_dir},
              {"node", job.node},
              {"logging_level", job.logging_level},
              {"append_format", job.append_format},
              {"header", job.header},
              {"count_rows", job.count_rows},
              {"import_pandas", job.import_pandas},
              {"table", job.table == nullptr ? Json() : Table(*job.table)},
              {"inputs", job.inputs}};
  return DumpJson(out);
}

std::map<std::string, std::string> SlotEnvironment(const SlotJob& job, int slot,
                                                   const std::vector<std::string>& all_gpus) {
  std::map<std::string, std::string> out = {{"PARALLELJOB_JOB", job.job_name},
                                            {"PARALLELJOB_NODE", job.node},
                                            {"PARALLELJOB_SLOT", std::to_string(slot)}};
  if (!job.output_dir.empty()) out["AZUREML_BI_OUTPUT_PATH"] = job.output_dir;
  const std::vector<std::string> gpus = AllowedGpus(job, all_gpus);
  if (!gpus.empty())
    out["CUDA_VISIBLE_DEVICES"] = gpus[static_cast<size_t>(job.slots_before + slot) % gpus.size()];
  return out;
}

std::string ZygoteProgram(const std::string& runtime_dir) {
  return fmt::format(
      "import sys; sys.path.insert(0, {}); from paralleljob import zygote; zygote.main()",
      DumpJson(Json(runtime_dir)));
}

}  // namespace pj::worker
