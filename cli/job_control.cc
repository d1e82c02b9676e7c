#include "cli/job_control.h"

#include <fmt/core.h>

#include "base/json.h"
#include "base/limits.h"
#include "cli/cluster_target.h"
#include "cli/job_view.h"

namespace pj::cli {
namespace {

// Writes one field of the spec, unless it has that value already (`normal` is what a missing one
// means).
Result<bool> SetField(kube::Api* api, const JobAddress& job, const std::string& field,
                      const Json& value, const Json& normal) {
  return ChangeObject(
      api, kube::ParallelJobs(), job.ns, job.name, [&](Json* object) -> Result<bool> {
        const JobView view = ViewOf(*object);
        if (view.Ended()) {
          return Fail(Code::kInvalid, fmt::format("has ended ({})", view.state), "job " + job.name,
                      "`paralleljob submit` starts one again after it is deleted");
        }
        Json& spec = (*object)["spec"];
        if (spec.value(field, normal) == value) return false;
        spec[field] = value;
        return true;
      });
}

}  // namespace

Result<bool> SetSuspended(kube::Api* api, const JobAddress& job, bool suspended) {
  return SetField(api, job, "suspend", suspended, false);
}

Result<bool> SetInstances(kube::Api* api, const JobAddress& job, int64_t instances) {
  if (instances < 0 || instances > limits::kIntMax) {
    return Fail(Code::kInvalid, fmt::format("{} is out of range", instances), "--instances",
                "0 or more; 0 stops all workers");
  }
  return SetField(api, job, "instanceCount", instances, 1);
}

Result<bool> Cancel(kube::Api* api, const JobAddress& job) {
  return SetField(api, job, "cancel", true, false);
}

}  // namespace pj::cli
