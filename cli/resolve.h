// Resolve: a validated job → the paths, words and formats of a run on this machine.
#pragma once

#include <map>
#include <string>

#include "api/load.h"
#include "base/result.h"
#include "cli/job_dir.h"
#include "job/resolved_job.h"

namespace pj::cli {

using job::ResolvedJob;

// An input may hold the output folder, but not be it.
Status CheckOutputFolder(const api::ParallelJob& job, const JobDir& dir);

// Creates the outputs' folders. Inputs in mode `download` are copied into the job's own folder
// first.
Result<ResolvedJob> ResolveJob(const api::LoadedJob& loaded, const JobDir& dir);

// The part of it that is read: code and inputs.
Status ResolveSources(const api::LoadedJob& loaded, const JobDir& dir, ResolvedJob* made);

// Where an input lies: absolute, there, and of the kind that its type says.
Result<std::string> InputPath(const api::Input& input);

// Input paths only, nothing is created or copied: what `plan` needs.
Result<std::map<std::string, std::string>> ResolveInputs(const api::ParallelJob& job);

// SHA-256 over names and contents of a code folder. Left out are `exclude` (the run's own folder,
// the job file), the folders of other runs and of fetches, caches, hidden files, logs and backups.
Result<std::string> HashCode(const std::string& code_dir, const std::vector<std::string>& exclude);

// The file of a code folder that was changed last, if it was after `wall_ns`: for a message.
std::string NewestSince(const std::string& code_dir, const std::vector<std::string>& exclude,
                        int64_t wall_ns);

// max(1, cores ÷ instances) unless the job says otherwise.
uint32_t SlotsPerInstance(const api::ParallelJobSpec& spec);
// max(1, cores ÷ all slots): how many threads a numerical library may start in one of them.
uint32_t ThreadsPerSlot(const api::ParallelJobSpec& spec);

}  // namespace pj::cli
