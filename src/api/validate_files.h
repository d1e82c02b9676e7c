// CheckScript: the entry script's name, and whether code folder, script and Conda file are there.
// LaterPlaces: where the fields stand that are checked on this machine. Internal to src/api.
#pragma once

#include <map>
#include <string>

#include "api/load.h"
#include "api/parallel_job.h"
#include "api/places.h"

namespace pj::api {

// `path` counted from `base_dir`, unless it is absolute.
std::string ResolvePath(const std::string& base_dir, const std::string& path);

// The names are always checked, the files only with `check_files` and local code.
void CheckScript(const Places& places, const Task& task, bool check_files, Diagnostics* out);

// LoadedJob::places. A path that --input gives has no line.
std::map<std::string, Diagnostic> LaterPlaces(const Places& places, const LoadOptions& options,
                                              const ParallelJob& job);

}  // namespace pj::api
