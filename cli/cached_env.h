// CachedEnv: an environment of Python packages below the cache, made once for each content
// (run --env venv).
#pragma once

#include <string>

#include "api/parallel_job.h"
#include "base/result.h"
#include "cli/conda.h"

namespace pj::cli {

// What the job's condaFile asks for; nothing without one.
Result<CondaFile> ReadCondaFile(const api::Environment& environment);

// "3.11.2", as the interpreter itself says.
Result<std::string> PythonVersion(const std::string& python);

// The interpreter of the environment that the job wants. `python` makes it if its version will do,
// else a python3.X of PATH; Conda packages, or a version that is not there, need micromamba.
Result<std::string> CachedEnvPython(const std::string& python, const api::Environment& wanted);

}  // namespace pj::cli
