// The folders of runs and of fetches: what lies in one is neither code nor data of another job.
#pragma once

#include <string>

namespace pj {

// What a later start, or `verify`, needs lies in a folder of this name; it is made before anything
// else is.
inline constexpr char kRunFolderMark[] = ".paralleljob";

// Whether a local run or a `fetch` keeps its files in `folder`. The one rule for it: data, the
// code's hash, the slots' copies and what is packed for a cluster leave such folders out, unless
// one of them itself is what was asked for.
bool HoldsRun(const std::string& folder);

}  // namespace pj
