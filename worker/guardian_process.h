// The guardian of one machine: the loop in a process that was forked from the program.
#pragma once

#include "base/fs.h"

namespace pj::worker {

// Never returns. Owns `socket`; every other descriptor of the process is closed. Ends, with all
// below it, when the socket's other end closes.
[[noreturn]] void RunGuardian(UniqueFd socket);

}  // namespace pj::worker
