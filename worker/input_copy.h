// CopyInput: inputs in mode `download`: a copy on local storage before anything runs.
#pragma once

#include <string>

#include "base/result.h"

namespace pj::worker {

// Copies the file or folder `from` into `folder` (made as needed) under its own name, with its
// modification times, so that a plan's fingerprints stay true. A finished copy is used again.
// Returns the copy's path.
Result<std::string> CopyInput(const std::string& from, const std::string& folder);

}  // namespace pj::worker
