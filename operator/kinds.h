// The kinds of others that the operator handles, beside those of kube/api.h.
#pragma once

#include <vector>

#include "kube/api.h"

namespace pj::op {

const kube::ResourceType& Jobs();
const kube::ResourceType& Pods();
const kube::ResourceType& Events();
const kube::ResourceType& VolumeClaims();
const kube::ResourceType& ServiceAccounts();
const kube::ResourceType& Roles();
const kube::ResourceType& RoleBindings();

// Kueue's Workloads, in each version that a Kueue may serve; the newest first.
const std::vector<kube::ResourceType>& Workloads();

}  // namespace pj::op
