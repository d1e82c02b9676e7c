#include "cli/operator_deployment.h"

#include "base/json.h"
#include "cli/cluster_target.h"

namespace pj::cli {

namespace {

// In their order; some flags may be given several times.
std::vector<std::string> AllOfPod(const Json& pod, std::string_view flag) {
  std::vector<std::string> found;
  for (const Json& container : PartAt(PartAt(pod, "spec"), "containers")) {
    for (const Json& argument : PartAt(container, "args")) {
      const std::string text = argument.is_string() ? argument.get<std::string>() : "";
      if (text.starts_with(flag)) found.push_back(text.substr(flag.size()));
    }
  }
  return found;
}

}  // namespace

std::string FlagOfPod(const Json& pod, std::string_view flag) {
  const std::vector<std::string> found = AllOfPod(pod, flag);
  return found.empty() ? std::string() : found.front();
}

std::string FlagOf(const Json& deployment, std::string_view flag) {
  return FlagOfPod(PartAt(PartAt(deployment, "spec"), "template"), flag);
}

std::optional<WorkerFlags> FlagsOfWorkers(kube::Api* api, const std::string& ns) {
  // Not everybody may look into all namespaces.
  for (const std::string& where : {ns, std::string()}) {
    const auto found = ListObjects(api, Deployments(), where, kOperatorSelector);
    if (!found) continue;
    for (const Json& deployment : *found) {
      const std::string watched = FlagOf(deployment, "--namespace=");
      if (!watched.empty() && watched != ns) continue;
      const std::string image = FlagOf(deployment, "--worker-image=");
      if (image.empty()) continue;
      const Json& pod = PartAt(PartAt(deployment, "spec"), "template");
      return WorkerFlags{.image = image,
                         .image_pull_policy = FlagOfPod(pod, "--image-pull-policy="),
                         .image_pull_secrets = AllOfPod(pod, "--image-pull-secret="),
                         .run_as_user = FlagOfPod(pod, "--run-as-user="),
                         .fs_group = FlagOfPod(pod, "--fs-group=")};
    }
  }
  return std::nullopt;
}

}  // namespace pj::cli
