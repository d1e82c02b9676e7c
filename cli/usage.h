// Usage: what is wrong with a command line that cannot be understood, and what was meant.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pj::cli {

struct Usage {
  std::vector<std::string> words;     // as typed, without the program
  std::vector<std::string> commands;  // all that there are
  std::vector<std::string> flags;     // of the command that was named: "--output", "-q"
  std::string said;                   // what the parser found wrong
};

// An unknown command, an unknown flag, a job file without -f; else what the parser said.
Error UsageError(const Usage& usage);

}  // namespace pj::cli
