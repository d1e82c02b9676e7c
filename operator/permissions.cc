#include "operator/permissions.h"

#include "base/json.h"

namespace pj::op {

std::vector<Permission> NeededPermissions(bool kueue) {
  std::vector<Permission> needed = {
      {"paralleljob.dev", "paralleljobs", "", {"list", "watch"}},
      {"paralleljob.dev", "paralleljobs", "status", {"update"}},
      // Clusters that check owner references ask for this of whoever names an owner.
      {"paralleljob.dev", "paralleljobs", "finalizers", {"update"}},
      {"batch", "jobs", "", {"get", "list", "watch", "create", "update", "delete"}},
      {"", "pods", "", {"get", "list", "watch", "delete"}},
      {"", "pods", "status", {"update"}},
      // Of these two a worker's Role is granted a part: nobody can grant what he has not.
      {"", "configmaps", "", {"get", "list", "watch", "create", "update", "delete"}},
      {"coordination.k8s.io", "leases", "", {"get", "list", "watch", "create", "update", "delete"}},
      {"", "serviceaccounts", "", {"create", "delete"}},
      // Those that are there are compared with what workers need.
      {"rbac.authorization.k8s.io", "roles", "", {"get", "create", "delete"}},
      {"rbac.authorization.k8s.io", "rolebindings", "", {"get", "create", "delete"}},
      // Why a Job gets no pods, and why a pod's volumes are not mounted, stands nowhere else.
      {"", "events", "", {"create", "list"}},
      // Whether the pods of a job may be on more than one node.
      {"", "persistentvolumeclaims", "", {"get"}},
  };
  if (kueue) needed.push_back({"kueue.x-k8s.io", "workloads", "", {"list", "update"}});
  return needed;
}

std::string PermissionRules(bool kueue) {
  Json rules = Json::array();
  for (const Permission& each : NeededPermissions(kueue)) {
    const std::string resource =
        each.subresource.empty() ? each.resource : each.resource + "/" + each.subresource;
    rules.push_back({{"apiGroups", Json::array({each.group})},
                     {"resources", Json::array({resource})},
                     {"verbs", each.verbs}});
  }
  return DumpJson(rules);
}

}  // namespace pj::op
