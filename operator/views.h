// Views: slim typed copies of the objects that the operator watches; caches hold these, never JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "api/parallel_job.h"
#include "base/clock.h"
#include "job/job_objects.h"
#include "kube/objects.h"
#include "ledger/record.h"

namespace pj::op {

// A ParallelJob with its spec read and checked. `problem` says why it cannot run, if it cannot.
struct ParallelJobView {
  kube::Meta meta;
  int64_t generation = 0;
  bool deleting = false;
  api::ParallelJob job;
  std::string problem;
  // Settings below spec that stand in the manifest where their value does not tell: effective.h.
  std::set<std::string> written;
  std::string status_json;  // as stored: "{}" before the first write
  uint32_t run = 1;         // of the status
  // Finished for good: condition Complete or Failed. `completion` is when.
  bool finished = false;
  std::optional<WallTime> started;
  std::optional<WallTime> completion;

  ledger::JobIdentity identity() const { return {.uid = meta.uid, .run = run}; }
  job::JobObjects objects() const { return {meta.ns, meta.name, identity()}; }
};

// A ConfigMap of a run, by what its name says it is. What cannot be decoded is `damage`.
struct RunMapView {
  kube::Meta meta;
  std::variant<std::monostate, job::PlanFacts, ledger::Control, ledger::ShardRecord,
               job::StoredResult>
      content;
  std::string damage;
};

// A worker's Lease.
struct WorkerLeaseView {
  kube::Meta meta;
  std::string holder;  // "<pod UID>/<incarnation>"; empty: released
  std::string renew_time;
  job::WorkerState state;
};

struct WorkerJobView {
  kube::Meta meta;
  int64_t parallelism = 0;
  int64_t completions = 0;
  bool suspended = false;
  bool deleting = false;
  bool terminal = false;  // condition Complete or Failed
  std::string failure;    // of condition Failed: reason and message
};

// Reason in the status of a pod that the operator has given up for failed.
inline constexpr char kGivenUp[] = "NodeLost";

struct WorkerPodView {
  kube::Meta meta;
  std::string phase;  // Pending, Running, Succeeded, Failed
  std::string node;
  int64_t index = 0;  // completion index
  bool ready = false;
  // Its node is unreachable: only the node controller takes Ready away from a pod whose containers
  // are ready.
  bool node_lost = false;
  bool given_up = false;             // status.reason is kGivenUp
  std::optional<WallTime> deletion;  // when its grace ends or ended
  Nanos grace{0};                    // how long that is, once it is told to go
  // Why it does not get on: reason and message of the scheduler or of a waiting container.
  std::string trouble_reason;
  std::string trouble;
  // Of a pod that failed by itself: the first container that did, its exit code and last words.
  std::string failure;
  std::optional<WallTime> failed_at;

  bool Ended() const { return phase == "Succeeded" || phase == "Failed"; }
};

Result<ParallelJobView> DecodeParallelJob(std::string_view json);
Result<RunMapView> DecodeRunMap(std::string_view json);
Result<WorkerLeaseView> DecodeWorkerLease(std::string_view json);
Result<WorkerJobView> DecodeWorkerJob(std::string_view json);
Result<WorkerPodView> DecodeWorkerPod(std::string_view json);

}  // namespace pj::op
