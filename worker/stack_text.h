// StackText: the stacks that a slot's process wrote into its log of stderr before it was killed for
// a timeout, as Python's faulthandler writes them: most recent call first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pj::worker {

// Whose files are named how in a stack.
struct StackPaths {
  std::string_view code;     // the slot's copy of the script: left out of names below it
  std::string_view runtime;  // frames of files below it are left out: ours
};

// The stacks in `log`, whatever else stands before and behind them; empty without any.
std::string StackText(std::string_view log, const StackPaths& paths);

// The same from what was written to the log `fd` at and behind `from`.
std::string StackInLog(int fd, uint64_t from, const StackPaths& paths);

// Bytes written to the log `fd` so far; 0 when it cannot be told.
uint64_t LogEnd(int fd);

}  // namespace pj::worker
