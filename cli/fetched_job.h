// FetchedJob: a cluster's job in a folder that `fetch` filled: what its `result` says, and whether
// the files here agree with it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/findings.h"
#include "job/job_objects.h"

namespace pj::cli {

struct FetchedJob {
  std::string job;
  std::string ns;
  bool logs = true;  // they were fetched, too
  job::StoredResult result;
};

// Makes the folder one of ours (base/made_folder.h), before the first file is fetched into it.
Status MarkFetched(const std::string& folder);
// Beside the files, so that they can be verified without the cluster.
Status SaveFetched(const std::string& folder, const FetchedJob& job);
// The files are of a job that has no result.
void DropFetched(const std::string& folder);
// Nothing when the folder holds none.
Result<std::optional<FetchedJob>> LoadFetched(const std::string& folder);

// Recounts the output file, and processed_mini-batches.csv if it was fetched, against the result.
// Ledger and segments stay in the cluster.
Findings VerifyFetched(const std::string& folder, const FetchedJob& job);

}  // namespace pj::cli
