// A run's folder that was copied or moved: its result names the paths of the original.
#pragma once

#include <string>

#include "cli/job_dir.h"
#include "job/job_objects.h"

namespace pj::cli {

// What lay in the folder that the run wrote to lies in `dir`; all else where the result says.
std::string PathHere(const JobDir& dir, const job::StoredResult& result, const std::string& path);

// The result's summary with the paths of `dir`, its messages too.
std::string SummaryHere(const JobDir& dir, const job::StoredResult& result);

}  // namespace pj::cli
