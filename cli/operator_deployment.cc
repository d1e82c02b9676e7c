#include "cli/operator_deployment.h"

#include "base/json.h"
#include "cli/cluster_target.h"

namespace pj::cli {

std::string FlagOfPod(const Json& pod, std::string_view flag) {
  for (const Json& container : PartAt(PartAt(pod, "spec"), "containers")) {
    for (const Json& argument : PartAt(container, "args")) {
      const std::string text = argument.is_string() ? argument.get<std::string>() : "";
      if (text.starts_with(flag)) return text.substr(flag.size());
    }
  }
  return {};
}

std::string FlagOf(const Json& deployment, std::string_view flag) {
  return FlagOfPod(PartAt(PartAt(deployment, "spec"), "template"), flag);
}

std::string WorkerImage(kube::Api* api, const std::string& ns) {
  // Not everybody may look into all namespaces.
  for (const std::string& where : {ns, std::string()}) {
    const auto found = ListObjects(api, Deployments(), where, kOperatorSelector);
    if (!found) continue;
    for (const Json& deployment : *found) {
      const std::string watched = FlagOf(deployment, "--namespace=");
      if (!watched.empty() && watched != ns) continue;
      if (std::string image = FlagOf(deployment, "--worker-image="); !image.empty()) return image;
    }
  }
  return {};
}

}  // namespace pj::cli
