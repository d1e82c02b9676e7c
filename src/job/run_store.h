// RunStore: reads and writes a run's own objects (plan, control, schema, result) over the API: the
// local run, worker pods and the finaliser go through here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "job/job_objects.h"
#include "kube/api.h"

namespace pj::job {

// Thread-safe as the Api is, which must outlive it. What the server refuses is an error whose code
// says what it means: kConflict, kForbidden, kUnavailable …
class RunStore {
 public:
  // A request that finds the server unavailable is repeated for as long as `patience` says: for
  // who has much to do again when one fails. A create that had come through then counts as
  // somebody else's.
  RunStore(kube::Api* api, JobObjects objects, Nanos patience = Nanos(0))
      : api_(api), objects_(std::move(objects)), patience_(patience) {}

  const JobObjects& objects() const { return objects_; }
  kube::Api* api() const { return api_; }

  // Nothing when the object is not there.
  Result<std::optional<PlanFacts>> LoadPlan() const;
  Result<std::optional<ledger::Control>> LoadControl() const;
  Result<std::optional<StoredResult>> LoadResult() const;
  // Column names of the appended csv rows, as `schema` fixed them; empty when there are none.
  Result<std::vector<std::string>> LoadColumns() const;

  // By create: the first writer wins. False: somebody was first.
  Result<bool> CreatePlan(const PlanFacts& facts) const;
  Result<bool> CreateResult(const StoredResult& result) const;
  // The result that stands now: this one, or that of who was first.
  Result<StoredResult> SettleResult(StoredResult result) const;
  // The controller's alone.
  Status WriteControl(const ledger::Control& control) const;

 private:
  Result<std::optional<kube::ConfigMap>> Get(const std::string& what) const;
  Result<bool> Create(const kube::ConfigMap& map) const;
  Result<kube::Response> Send(const kube::Request& request) const;

  kube::Api* api_;
  JobObjects objects_;
  Nanos patience_;
};

}  // namespace pj::job
