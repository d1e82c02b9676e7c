// The folders that this software makes: of runs, of fetches, and of `convert --out`. What lies in
// one is neither code nor data of another job.
#pragma once

#include <string>

namespace pj {

// What a later start, or `verify`, needs lies in a folder of this name; it is made before anything
// else is.
inline constexpr char kRunFolderMark[] = ".paralleljob";

// What `convert --out` writes is known by the index that it leaves, and by how that begins; a
// folder in which anything else than .yaml files lies is somebody's own.
inline constexpr char kGitopsIndex[] = "kustomization.yaml";
inline constexpr char kGitopsMark[] =
    "# Made by `paralleljob convert --out`; change the job and make it again.\n";

// Whether `folder` is one of those. The one rule for it: data, the code's hash, the slots' copies
// and what is packed for a cluster leave such folders out, unless one of them itself is what was
// asked for.
bool IsMadeFolder(const std::string& folder);

}  // namespace pj
