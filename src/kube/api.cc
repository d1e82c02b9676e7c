#include "kube/api.h"

namespace pj::kube {

const ResourceType& ConfigMaps() {
  static const ResourceType type{
      .group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap"};
  return type;
}

const ResourceType& Leases() {
  static const ResourceType type{
      .group = "coordination.k8s.io", .version = "v1", .plural = "leases", .kind = "Lease"};
  return type;
}

const ResourceType& ParallelJobs() {
  static const ResourceType type{.group = "paralleljob.dev",
                                 .version = "v1alpha1",
                                 .plural = "paralleljobs",
                                 .kind = "ParallelJob"};
  return type;
}

}  // namespace pj::kube
