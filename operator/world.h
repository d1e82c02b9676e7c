// World: everything that the operator knows of one job when it reconciles it, and where that comes
// from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "operator/views.h"

namespace pj::op {

struct JobKey {
  std::string ns;
  std::string name;
  auto operator<=>(const JobKey&) const = default;
  std::string ToString() const { return ns + "/" + name; }
};

// One job's objects as last seen. Only those of the ParallelJob's UID and run.
struct JobWorld {
  ParallelJobView job;
  std::optional<job::PlanFacts> plan;
  std::optional<ledger::Control> control;
  std::string control_version;  // resourceVersion
  std::vector<ledger::ShardRecord> shards;
  std::optional<job::StoredResult> result;
  std::string damage;                         // the first object of the ledger that cannot be read
  std::vector<std::string> maps;              // names of all ConfigMaps of the run
  std::vector<WorkerLeaseView> leases;        // by name: the workers'
  std::vector<WorkerLeaseView> other_leases;  // of who finalises
  std::vector<WorkerJobView> jobs;            // by name: generations of workers, the finaliser
  std::vector<WorkerPodView> pods;
};

// Thread-safe. Nothing for a job that does not exist.
class WorldReader {
 public:
  virtual ~WorldReader() = default;
  virtual Result<std::optional<JobWorld>> Read(const JobKey& key) = 0;
  // Pods that our Jobs made for a job of that name, but not for `run` (JobIdentity::ShortHash();
  // empty: any).
  virtual Result<std::vector<WorkerPodView>> Leftovers(const JobKey& key,
                                                       const std::string& run) = 0;
};

// Reads from the API each time, by labels: for tests and tools. `api` lives longer.
class ApiReader : public WorldReader {
 public:
  explicit ApiReader(kube::Api* api) : api_(api) {}
  Result<std::optional<JobWorld>> Read(const JobKey& key) override;
  Result<std::vector<WorkerPodView>> Leftovers(const JobKey& key, const std::string& run) override;

 private:
  kube::Api* api_;
};

// Puts a decoded object where it belongs; one of another owner or run is left out.
void Place(const RunMapView& map, JobWorld* world);
void Place(const WorkerLeaseView& lease, JobWorld* world);
void Place(const WorkerJobView& job, JobWorld* world);
void Place(const WorkerPodView& pod, JobWorld* world);
// Once all objects are placed: shards by lo, the others by name.
void SortWorld(JobWorld* world);
// Whether a pod is one of Leftovers(); its labels say so.
bool IsLeftover(const kube::Meta& pod, const JobKey& key, const std::string& run);

}  // namespace pj::op
