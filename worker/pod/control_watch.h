// ControlWatch: what the operator tells a job's agents, as it comes: a watch of the one object
// `ctl`.
#pragma once

#include <functional>
#include <memory>

#include "job/job_objects.h"
#include "kube/api.h"
#include "ledger/record.h"

namespace pj::worker {

// Calls back on a thread of its own, first with what is there; an operator or API server that is
// away is waited for. Nothing: the object was deleted, so that the job is gone. Destruction ends
// it.
class ControlWatch {
 public:
  using OnChange = std::function<void(const ledger::Control*)>;
  static std::unique_ptr<ControlWatch> Start(kube::Api* api, const job::JobObjects& objects,
                                             OnChange on_change);
  virtual ~ControlWatch() = default;
};

}  // namespace pj::worker
