#include "operator/kinds.h"

namespace pj::op {

using kube::ResourceType;

const ResourceType& Jobs() {
  static const ResourceType type{"batch", "v1", "jobs", "Job"};
  return type;
}

const ResourceType& Pods() {
  static const ResourceType type{"", "v1", "pods", "Pod"};
  return type;
}

const ResourceType& Events() {
  static const ResourceType type{"", "v1", "events", "Event"};
  return type;
}

const ResourceType& VolumeClaims() {
  static const ResourceType type{"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"};
  return type;
}

const ResourceType& ServiceAccounts() {
  static const ResourceType type{"", "v1", "serviceaccounts", "ServiceAccount"};
  return type;
}

const ResourceType& Roles() {
  static const ResourceType type{"rbac.authorization.k8s.io", "v1", "roles", "Role"};
  return type;
}

const ResourceType& RoleBindings() {
  static const ResourceType type{"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"};
  return type;
}

const std::vector<ResourceType>& Workloads() {
  static const std::vector<ResourceType> types = {
      {"kueue.x-k8s.io", "v1beta2", "workloads", "Workload"},
      {"kueue.x-k8s.io", "v1beta1", "workloads", "Workload"},
  };
  return types;
}

}  // namespace pj::op
