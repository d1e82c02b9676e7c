// CachedReader: the watched copies of everything that the operator reads, found by job. A turn asks
// the API server nothing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kube/cache.h"
#include "kube/own_writes.h"
#include "kube/reflector.h"
#include "operator/world.h"

namespace pj::op {

struct CachedReaderOptions {
  kube::Api* api = nullptr;
  std::string ns = {};                              // empty: all namespaces
  const Clock* clock = nullptr;                     // null: SystemClock()
  uint64_t seed = 1;                                // of watch times and back-off
  std::function<void(const JobKey&)> changed = {};  // must not wait
};

// Thread-safe. Watches from Start() until destroyed. The Api lives longer.
class CachedReader : public WorldReader {
 public:
  explicit CachedReader(CachedReaderOptions options);
  ~CachedReader() override;

  void Start();
  // Instead of Start(), for a simulation: one step of that kind's reflector (by plural name) on the
  // caller's thread, without waiting. False: nothing was due.
  bool Step(const std::string& plural);
  // Every cache has its first list.
  bool Synced() const;
  Result<std::optional<JobWorld>> Read(const JobKey& key) override;
  Result<std::vector<WorkerPodView>> Leftovers(const JobKey& key, const std::string& run) override;

  // Reading one's own writes: what was written for a job, and whether the caches show it.
  void Wrote(const kube::Request& request, const kube::Response& response);
  bool ShowsOwnWrites(const JobKey& key);
  // A job that has no status yet.
  bool IsNew(const JobKey& key) const;

  // By plural name of the resource.
  std::map<std::string, kube::ReflectorStats> Stats() const;

 private:
  // Objects of one kind, their reflector, and the names of those that carry a run's label.
  template <class View>
  struct Kind;

  template <class View>
  std::unique_ptr<Kind<View>> MakeKind(const kube::ResourceType& type,
                                       Result<View> (*decode)(std::string_view));
  template <class Each>
  void ForEachKind(const Each& each);
  void Changed(const JobKey& key);
  const kube::CacheView* CacheOf(const kube::ResourceType& type) const;

  const CachedReaderOptions options_;
  kube::OwnWrites own_;
  std::unique_ptr<Kind<ParallelJobView>> parallel_jobs_;
  std::unique_ptr<Kind<RunMapView>> maps_;
  std::unique_ptr<Kind<WorkerLeaseView>> leases_;
  std::unique_ptr<Kind<WorkerJobView>> jobs_;
  std::unique_ptr<Kind<WorkerPodView>> pods_;
};

}  // namespace pj::op
