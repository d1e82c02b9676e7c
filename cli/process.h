// RunProcess: a helper program (python, pip) run to its end, no shell in between.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pj::cli {

struct ProcessResult {
  int exit_code = 0;   // 128 + n when signal n ended it
  std::string output;  // stdout and stderr, the last 64 KiB
};

// argv[0] is looked up on PATH; stdin is at its end. An Error only if it could not be started.
Result<ProcessResult> RunProcess(const std::vector<std::string>& argv);

// The program `name` on PATH, absolute; empty if there is none.
std::string FindProgram(const std::string& name);
// The variable of this process's environment; empty if it is not set.
std::string GetEnv(const char* name);

}  // namespace pj::cli
