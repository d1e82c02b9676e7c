// CopyInput: an input in mode `download`, copied to local storage before anything runs.
#pragma once

#include <string>

#include "base/result.h"

namespace pj::worker {

// Copies a file or folder below `folder` and returns the copy's path; one that is there already is
// whole, and is taken. What symbolic links lead to is copied, save for links back to a folder
// above. Modification times are kept, so that fingerprints stay true. The run's own folder `own`,
// if given, is left out where it lies in what is copied.
Result<std::string> CopyInput(const std::string& path, const std::string& folder,
                              const std::string& own = {});

}  // namespace pj::worker
