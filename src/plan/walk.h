// Walk: the files of one source, in bytewise order of their paths, in bounded memory.
//
// Symbolic links are followed; one that leads back to a folder above itself is left out (its files
// stand there already) with a warning. Names that begin with "." are left out unless a path names
// them: editors and ConfigMap volumes put their own there. Whatever cannot be read, and devices,
// FIFOs and sockets, are errors: nothing is dropped in silence. A folder below the source that
// paralleljob made (base/made_folder.h) is left out, with a warning.
#pragma once

#include <functional>

#include "base/result.h"
#include "plan/plan.h"

namespace pj::plan {

using FileSink = std::function<Status(const FileRef&)>;

// Calls `sink` for each file of `source`, each once. Names of large folders are sorted in an
// unnamed file in `scratch_dir`.
Status WalkSource(const SourceSpec& source, const std::string& scratch_dir, const FileSink& sink);

}  // namespace pj::plan
