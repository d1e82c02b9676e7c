// OpenDir: a finished, running or killed run's folder, opened for reading (status, verify).
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "cli/job_dir.h"
#include "cli/run_state.h"
#include "kube/memory_api.h"

namespace pj::cli {

struct OpenedDir {
  JobDir dir;
  std::string holder;  // the process that is running it; empty: none
  std::string job;
  std::unique_ptr<kube::MemoryApi> api;
  std::unique_ptr<RunState> state;
  PlanFacts plan;
  std::vector<ledger::ShardRecord> shards;
  std::optional<StoredResult> result;
};

Result<OpenedDir> OpenDir(const std::string& path);

}  // namespace pj::cli
