// Portable: a job that was read from several files, as one manifest.
#pragma once

#include <string>

#include "api/parallel_job.h"
#include "base/result.h"

namespace pj::cli {

// Relative paths as they are seen from the folder of `file`, wherever they were written (a
// component in another folder, the command line), the text of a Conda file in place of its path,
// and bindings without blanks.
Status MakePortable(const std::string& file, api::ParallelJob* job);

}  // namespace pj::cli
