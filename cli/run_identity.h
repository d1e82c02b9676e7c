// RunIdentity's parts: what of a job must stay the same between a run and its resumption.
#pragma once

#include <string>

#include "api/parallel_job.h"

namespace pj::cli {

// Name and spec as a manifest, with every mutable field (suspend, instanceCount, deadlines, TTL,
// rerun) at its default.
std::string ImmutableManifest(const api::ParallelJob& job);
// The first line in which two manifests differ: "was …, is …", "… is new" or "… is gone".
std::string FirstDifference(const std::string& before, const std::string& now);

}  // namespace pj::cli
