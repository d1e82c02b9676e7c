// VolumeProbe: whether a folder on a volume can do what segments, plans and the published rows
// need.
#pragma once

#include <string>

#include "base/result.h"

namespace pj::worker {

// Makes `dir`, and in it appends, fsyncs, and renames over a file; leaves nothing behind. `unique`
// is this incarnation's. An error's message begins "VolumeUnusable: ", names the folder, who we
// are, and the way out.
Status ProbeVolume(const std::string& dir, const std::string& unique);

// The same error for a folder that could not be made on a volume.
Error VolumeUnusable(const Error& cause, const std::string& dir);

}  // namespace pj::worker
