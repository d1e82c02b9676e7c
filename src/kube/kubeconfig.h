// Where a ClientConfig comes from: kubeconfig files as kubectl reads them, or the pod's own
// account.
#pragma once

#include <string>

#include "kube/client_config.h"

namespace pj::kube {

// `paths`: files separated by ':', as in KUBECONFIG. The first that sets a value wins; files that
// do not exist are passed over while one does. `context` empty: the current one. What would weaken
// or silently change the access (insecure-skip-tls-verify, passwords, http://) is kInvalid.
Result<ClientConfig> LoadKubeconfig(const std::string& paths, const std::string& context = {});

// The ServiceAccount that a kubelet mounts into each pod.
struct InClusterOptions {
  std::string host = {};  // KUBERNETES_SERVICE_HOST; may be an IPv6 address
  std::string port = {};  // KUBERNETES_SERVICE_PORT
  std::string folder = "/var/run/secrets/kubernetes.io/serviceaccount";
};
Result<ClientConfig> LoadInCluster(const InClusterOptions& options);

// As kubectl: `paths` if given, else KUBECONFIG, else ~/.kube/config, else the pod's account.
Result<ClientConfig> LoadClientConfig(const std::string& paths = {},
                                      const std::string& context = {});

}  // namespace pj::kube
