// Environment: which Python a local run uses, with which variables (--env current or venv).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "base/result.h"

namespace pj::cli {

struct PythonEnvironment {
  std::string python;                      // interpreter, absolute
  std::map<std::string, std::string> env;  // whole environment of the slots
  std::vector<std::string> notes;          // what is ignored locally, one sentence each
  std::vector<std::string> warnings;
};

// `scratch` gets a folder with a `python` for PATH where the interpreter's own folder has none.
Result<PythonEnvironment> PrepareEnvironment(const api::ParallelJobSpec& spec,
                                             const std::string& kind, const std::string& scratch);

// The interpreter of --env current: $PARALLELJOB_PYTHON, else the python3 of $VIRTUAL_ENV, else of
// PATH.
Result<std::string> FindPython();

// The folder with the Python packages of ours: $PARALLELJOB_RUNTIME, else beside the program.
Result<std::string> FindRuntimeDir();

// Compiles `file` without running it and looks for `run`; a finding is a sentence with its line.
Result<std::vector<std::string>> CheckEntryScript(const std::string& python,
                                                  const std::string& file);

}  // namespace pj::cli
