// OperatorDeployment: what the chart's Deployment tells of the operator in a cluster.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "kube/api.h"

namespace pj::cli {

inline constexpr char kOperatorSelector[] = "app.kubernetes.io/name=paralleljob-operator";

// The value of an argument of its containers ("--namespace="); empty without it.
std::string FlagOf(const nlohmann::ordered_json& deployment, std::string_view flag);
std::string FlagOfPod(const nlohmann::ordered_json& pod, std::string_view flag);

// What the operator of a namespace gives every worker pod; a flag that is not there is empty.
struct WorkerFlags {
  std::string image;
  std::string image_pull_policy;
  std::vector<std::string> image_pull_secrets;
  std::string run_as_user;
  std::string fs_group;
};
// Nothing where no operator with an image is to be seen.
std::optional<WorkerFlags> FlagsOfWorkers(kube::Api* api, const std::string& ns);

}  // namespace pj::cli
