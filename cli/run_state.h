// RunState: the API objects of one local run (ParallelJob, plan, control, shards, result) in its
// embedded store. What the operator would keep in a cluster; same names, same content.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/parallel_job.h"
#include "base/result.h"
#include "cli/run_identity.h"
#include "job/run_store.h"
#include "kube/api.h"
#include "ledger/record.h"

namespace pj::cli {

inline constexpr char kNamespace[] = "default";

using job::PlanFacts;
using job::StoredResult;

// Thread-safe as far as `api` is.
class RunState {
 public:
  // `api` must outlive it.
  RunState(kube::Api* api, std::string job) : api_(api), job_(std::move(job)) {}

  // Reads the job object; nothing when there is none yet.
  Result<std::optional<RunIdentity>> LoadJob();
  // `job` as `convert` would print it becomes the object's spec.
  Status CreateJob(const api::ParallelJob& job, const RunIdentity& identity);
  // Takes over changed mutable fields.
  Status UpdateSpec(const api::ParallelJob& job);
  // Valid after LoadJob found it or CreateJob made it.
  const ledger::JobIdentity& identity() const { return identity_; }
  // When the job object was created (nanoseconds since the epoch).
  int64_t created_wall_ns() const { return created_wall_ns_; }

  // Plan, control, columns and result: valid as identity() is.
  job::RunStore store() const { return {api_, {kNamespace, job_, identity_}}; }
  Result<std::vector<ledger::ShardRecord>> ListShards();

 private:
  Result<std::optional<std::string>> GetJob();

  kube::Api* api_;
  std::string job_;
  ledger::JobIdentity identity_;
  int64_t created_wall_ns_ = 0;
};

// The name of the only job in a store (status and verify are given just a folder). kNotFound when
// no start came as far as a job.
Result<std::string> FindJobName(kube::Api* api, const std::string& dir);

}  // namespace pj::cli
