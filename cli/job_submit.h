// Submit: brings a job and its ConfigMaps into a cluster, once, however often it is called.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster_form.h"
#include "kube/api.h"

namespace pj::cli {

struct Submitted {
  enum class Outcome { kCreated, kUpdated, kUnchanged };
  Outcome outcome = Outcome::kCreated;
  std::vector<std::string> changed;  // kUpdated: names of the settings
};

// The form's job and maps name their namespace. The maps come first, so that no pod waits for one,
// and belong to the job: they go when it is deleted. A job of the same name whose settings differ
// is kAlreadyExists, save for mutable ones that the form names: those are changed.
Result<Submitted> Submit(kube::Api* api, const ClusterForm& form);

}  // namespace pj::cli
