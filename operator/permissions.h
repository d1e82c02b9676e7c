// Permissions: what the operator's account must be allowed to do, and no more. The chart's role
// says the same; a test compares them.
#pragma once

#include <string>
#include <vector>

namespace pj::op {

// Verbs on one resource of one API group; `subresource` may be empty.
struct Permission {
  std::string group;
  std::string resource;
  std::string subresource;
  std::vector<std::string> verbs;
};

// In the namespaces that it watches; the Lease of the leader lies in one of them. `kueue`: as
// OperatorOptions.
std::vector<Permission> NeededPermissions(bool kueue = false);
// The same as `rules` of a Role: a JSON list.
std::string PermissionRules(bool kueue = false);

}  // namespace pj::op
