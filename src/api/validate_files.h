// CheckScript: the entry script's name, and whether code folder, script and Conda file are there.
// Internal to src/api.
#pragma once

#include <string>

#include "api/parallel_job.h"
#include "api/places.h"

namespace pj::api {

// `path` counted from `base_dir`, unless it is absolute.
std::string ResolvePath(const std::string& base_dir, const std::string& path);

// The names are always checked, the files only with `check_files` and local code.
void CheckScript(const Places& places, const Task& task, bool check_files, Diagnostics* out);

}  // namespace pj::api
