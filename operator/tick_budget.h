// TickBudget: how often agents may write, so that all of them together stay within what the API
// server is to bear (protocol rule 2).
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace pj::op {

// The tick of a job with `pods` pods when all running jobs have `all_pods` and the cluster's budget
// is `cluster_writes` a second: whole steps of 5 s, so that it seldom changes.
Nanos TickFor(int64_t pods, int64_t all_pods, double cluster_writes);

}  // namespace pj::op
