// PodPlan: a job's plan as worker pods share it: made by one, in the object `plan` or in a file
// beside the segments, read by all.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "job/job_objects.h"
#include "output/file_ops.h"
#include "plan/plan.h"
#include "worker/pod/config.h"

namespace pj::worker {

struct PlanPlaces {
  std::string plans;   // folder that all pods share
  bool shared = true;  // false: there is none, so that the plan has to fit into the object
  std::string tmp;     // of this pod alone
  std::string unique;  // no other process's file has this name
};

// Plans `request` and says where the table lies; durable before it returns.
Result<job::PlanFacts> BuildPodPlan(const plan::PlanRequest& request, uint64_t instances,
                                    const PlanPlaces& places);

// The plan that `facts` speak of, checked against them. `files` says for how long its file may be
// missing or short, as network file systems have it for a while.
Result<std::unique_ptr<plan::Plan>> OpenPodPlan(const job::PlanFacts& facts,
                                                const PlanPlaces& places, output::FileOps* files);

}  // namespace pj::worker
