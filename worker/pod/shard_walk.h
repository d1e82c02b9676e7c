// ShardWalk: a job's shards read one by one, by name: from the roots along the tickets of splits. A
// worker may get ConfigMaps, and may not list them.
#pragma once

#include <functional>

#include "base/clock.h"
#include "job/run_store.h"
#include "ledger/record.h"

namespace pj::worker {

struct ShardWalkOptions {
  const job::RunStore* store = nullptr;
  const job::PlanFacts* plan = nullptr;
  std::function<bool(Nanos)> wait_stopped;  // waits so long; true: to stop
  uint64_t seed = 0;
};

// Calls `each` for every shard that is there, until it says false. Asks again, ever more seldom,
// what the server does not answer. False: stopped, told so by `each`, or a record is damaged.
bool WalkShards(const ShardWalkOptions& options,
                const std::function<bool(const ledger::ShardRecord&)>& each);

}  // namespace pj::worker
