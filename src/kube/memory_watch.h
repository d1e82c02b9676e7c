// The watches of the embedded API server. Internal to src/kube; include in .cc files only (JSON).
#pragma once

#include <memory>

#include "base/clock.h"
#include "kube/api.h"
#include "kube/object_table.h"

namespace pj::kube {

// Opens a watch on `table`, which it keeps alive. What the server refuses arrives as a kError
// event.
std::unique_ptr<Watch> OpenMemoryWatch(std::shared_ptr<ObjectTable> table, const Clock& clock,
                                       const WatchRequest& request);

}  // namespace pj::kube
