// ReaderTemplate: the pod that `paralleljob fetch` and `logs` read a job's volumes through.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "base/result.h"
#include "cli/operator_deployment.h"
#include "ledger/record.h"

namespace pj::cli {

struct ReaderRequest {
  std::string name;   // of the pod
  std::string token;  // that the CLI sends with each request
  std::string image;  // of worker pods; empty: that of the job's own pods
  bool outputs = true;
  bool logs = true;
  int64_t lifetime_seconds = 3600;  // ends by itself if nobody deletes it
};

struct ReaderSource {
  std::string ns;
  api::ParallelJob job;
  ledger::JobIdentity identity;
  std::string worker_job;  // the batch/v1 Job of its workers, as JSON; empty: gone
  WorkerFlags flags = {};  // of the operator, for when that Job is gone
  // Of a job that has ended: what it published, by the output's name, as its pods saw it.
  std::optional<std::map<std::string, std::string>> published = {};
};

struct ReaderPlan {
  std::string pod;  // JSON
  // What of the served paths belongs to other jobs, or to an earlier run of this one: folders and
  // files that are left out by whoever lists.
  std::vector<std::string> foreign;
  std::vector<std::string> unreadable;  // outputs on volumes that are gone with the pods
};

// Passes Pod Security *restricted*; mounts outputs and logs read only, at outputs/<name> and logs
// below job::kReadDir, and only serves what is the job's. kInvalid if there is nothing to read or
// no image to read it with.
Result<ReaderPlan> PlanReader(const ReaderSource& source, const ReaderRequest& request);

}  // namespace pj::cli
