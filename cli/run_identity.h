// RunIdentity's parts: what of a job must stay the same between a run and its resumption.
#pragma once

#include <string>

#include "api/parallel_job.h"

namespace pj::cli {

// What must not change between a run and its resumption, nor before its result is shown again.
struct RunIdentity {
  std::string manifest;  // the spec without the mutable fields
  std::string code_hash;
  std::string inputs_hash;  // of the list of input paths
  // May change while a run is unfinished; a failed run was perhaps to be mended by it.
  std::string deadline;     // spec.activeDeadlineSeconds, or none
  std::string environment;  // --env; empty when the run did not note it
};

// Name and spec as a manifest, with every mutable field (suspend, instanceCount, deadlines, TTL,
// rerun) at its default.
std::string ImmutableManifest(const api::ParallelJob& job);
std::string DeadlineText(const api::ParallelJob& job);
// What differs in the job and in how it is run, the code and the inputs left out; empty when
// nothing does. `failed`: the run has ended so, and what only it minds counts too.
std::string JobDifference(const RunIdentity& before, const RunIdentity& now, bool failed);
// The first line in which two manifests differ: "was …, is …", "… is new" or "… is gone".
std::string FirstDifference(const std::string& before, const std::string& now);

}  // namespace pj::cli
