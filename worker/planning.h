// Planning: what a job says about its input → what src/plan is asked to do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "base/result.h"
#include "plan/plan.h"

namespace pj::worker {

struct PlanningOptions {
  // The job came from Azure YAML: a size is taken as Azure takes it (a unit on a file list is a
  // count, a bare number on a table is bytes) and the warnings say so. In a manifest both are
  // errors.
  bool azure = false;
  // Inputs that are copies: name → where the original lies. An MLTable's relative path that leads
  // out of its folder is read there, for the copy holds the folder alone.
  std::map<std::string, std::string> copied_from = {};
};

// `inputs`: name → local path (file or folder) of each input. An mltable's MLTable file decides
// whether it is a table or a list of files. `warnings` may be null. The caller sets sort_dir.
Result<plan::PlanRequest> MakePlanRequest(const api::ParallelJobSpec& spec,
                                          const std::map<std::string, std::string>& inputs,
                                          const PlanningOptions& options = {},
                                          std::vector<std::string>* warnings = nullptr);

}  // namespace pj::worker
