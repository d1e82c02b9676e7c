// OperatorDeployment: what the chart's Deployment tells of the operator in a cluster.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "kube/api.h"

namespace pj::cli {

inline constexpr char kOperatorSelector[] = "app.kubernetes.io/name=paralleljob-operator";

// The value of an argument of its containers ("--namespace="); empty without it.
std::string FlagOf(const nlohmann::ordered_json& deployment, std::string_view flag);
std::string FlagOfPod(const nlohmann::ordered_json& pod, std::string_view flag);
// The image of worker pods that the operator of this namespace uses; empty where no operator is to
// be seen.
std::string WorkerImage(kube::Api* api, const std::string& ns);

}  // namespace pj::cli
