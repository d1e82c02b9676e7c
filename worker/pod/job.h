// PodJob: the job of a worker pod: its manifest, and the paths that the pod has for it.
#pragma once

#include <string>

#include "api/parallel_job.h"
#include "base/result.h"
#include "job/resolved_job.h"
#include "worker/pod/config.h"

namespace pj::worker {

// The manifest that the operator left in the pod; kInvalid names the first thing wrong with it.
Result<api::ParallelJob> LoadPodManifest(const std::string& file);

// Paths as the user container has them, too; the outputs' folders are made. Nothing is looked at
// or copied of the inputs.
Result<job::ResolvedJob> ResolvePodJob(const api::ParallelJob& job, const PodFolders& folders);

// What planning and slots need besides: inputs are there (kNotFound), and those in mode `download`
// lie on the pod's own storage below PodFolders::run, which both containers see.
Status FetchInputs(const api::ParallelJob& job, const PodFolders& folders, job::ResolvedJob* made);

// Where logs go when the job keeps none: the pod's own storage.
PodFolders FoldersFor(const api::ParallelJobSpec& spec, PodFolders folders);

// True when the folder of plans and segments is one that all pods of the job see.
bool SharesWork(const api::ParallelJobSpec& spec);

}  // namespace pj::worker
