// Private copies of the code folder: each slot works, and writes, in one of its own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace pj::worker {

// Copies `from` below `to` (created, must not exist yet): files with their permissions, symbolic
// links as links (to the same place, if they lead out of the folder). What lies at or below a path
// of `exclude`, folders of runs and of fetches, sockets and devices stay behind.
Status CopyCode(const std::string& from, const std::string& to,
                const std::vector<std::string>& exclude);

}  // namespace pj::worker
