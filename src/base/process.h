// RunProcess: a helper program (python, pip, a credential plugin) run to its end, no shell between.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace pj {

struct ProcessOptions {
  std::vector<std::pair<std::string, std::string>> environment = {};  // on top of our own
  bool keep_stderr = true;                                            // false: goes where ours goes
  std::optional<Seconds> timeout = {};  // then it is killed: kUnavailable
};

struct ProcessResult {
  int exit_code = 0;   // 128 + n when signal n ended it
  std::string output;  // stdout, and stderr if kept: the last 64 KiB
};

// argv[0] is looked up on PATH; stdin is at its end. An Error only if it could not be started, or
// took too long.
Result<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                 const ProcessOptions& options = {});

// For a signal handler that ends this process: nobody waits for that program any more.
void KillRunningProcess();

// The program `name` on PATH, absolute; empty if there is none.
std::string FindProgram(const std::string& name);
// The variable of this process's environment; empty if it is not set.
std::string GetEnv(const char* name);

}  // namespace pj
