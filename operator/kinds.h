// The kinds of Kubernetes' own that the operator handles, beside those of kube/api.h.
#pragma once

#include "kube/api.h"

namespace pj::op {

const kube::ResourceType& Jobs();
const kube::ResourceType& Pods();
const kube::ResourceType& Events();
const kube::ResourceType& VolumeClaims();
const kube::ResourceType& ServiceAccounts();
const kube::ResourceType& Roles();
const kube::ResourceType& RoleBindings();

}  // namespace pj::op
