// Rights: what workers may do, kept as it must be.
#pragma once

#include "operator/turn.h"

namespace pj::op {

// Creates the Role and the RoleBinding of the job's workers. Those that are there are looked at,
// and made anew if they are not what the workers need: somebody edited them, or another version of
// the operator made them. One request each as long as they are missing, two when they are right.
Status EnsureRights(Turn* turn);

}  // namespace pj::op
