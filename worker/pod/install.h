// InstallRuntime: what the init container `install` leaves in the runtime volume for the user
// container: the slot host and the Python side.
#pragma once

#include <string>

#include "base/result.h"

namespace pj::worker {

// Copies to `dir`/bin/paralleljob-host and `dir`/python (packages and native modules). They are
// taken from where they lie beside this program, in an image or in a build folder. What an earlier
// call left there is replaced.
Status InstallRuntime(const std::string& dir);

}  // namespace pj::worker
