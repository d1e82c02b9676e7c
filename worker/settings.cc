#include "worker/settings.h"

#include <filesystem>
#include <string>

namespace pj::worker {
namespace {

std::string LevelName(api::LoggingLevel level) {
  switch (level) {
    case api::LoggingLevel::kDebug:
      return "DEBUG";
    case api::LoggingLevel::kWarning:
      return "WARNING";
    case api::LoggingLevel::kInfo:
      break;
  }
  return "INFO";
}

void TakeVariables(const api::ParallelJob& job, uint32_t threads, SlotJob* slot) {
  slot->env["PARALLELJOB_JOB_NAME"] = job.name;
  slot->env["PARALLELJOB_NODE"] = slot->node;
  slot->env["PARALLELJOB_LOG_DIR"] = slot->logs_dir;
  // More threads than cores, each spinning for its turn, made a nearest-neighbour job 2 × slower.
  if (threads > 0) slot->env.try_emplace("OMP_NUM_THREADS", std::to_string(threads));
  if (!slot->output_dir.empty()) slot->env["AZUREML_BI_OUTPUT_PATH"] = slot->output_dir;
}

}  // namespace

void TakeSettings(const api::ParallelJob& job, const job::ResolvedJob& resolved, uint32_t threads,
                  AgentOptions* options) {
  const api::ParallelJobSpec& spec = job.spec;
  options->core.job = job.name;
  options->core.max_retries = spec.retry_settings.max_retries.value;
  options->timeouts.run = Seconds(spec.retry_settings.timeout_seconds.value);
  options->timeouts.overhead = Seconds(spec.task_overhead_timeout_seconds.value);
  options->timeouts.init = Seconds(spec.init_timeout_seconds.value);
  SlotJob& slot = options->job;
  slot.code_dir = resolved.code_dir;
  slot.entry_script = spec.task.entry_script;
  slot.argv = resolved.argv;
  slot.job_name = job.name;
  if (!resolved.append_file.empty()) {
    slot.output_dir = std::filesystem::path(resolved.append_file).parent_path().string();
  }
  slot.logging_level = LevelName(spec.logging_level.value);
  slot.append_format = resolved.append_format;
  slot.header = resolved.append_header;
  slot.count_rows = resolved.count_rows;
  slot.table = options->plan->schema();
  slot.import_pandas = slot.table != nullptr;
  slot.inputs = resolved.inputs;
  TakeVariables(job, threads, &slot);
}

log::Level OwnLevel(api::LoggingLevel level) {
  switch (level) {
    case api::LoggingLevel::kDebug:
      return log::Level::kDebug;
    case api::LoggingLevel::kWarning:
      return log::Level::kWarning;
    case api::LoggingLevel::kInfo:
      break;
  }
  return log::Level::kInfo;
}

}  // namespace pj::worker
