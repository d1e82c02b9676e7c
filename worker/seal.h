// SealLedger: runs the sealer over the API, so that no commit can succeed afterwards (protocol rule
// 10).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "ledger/record.h"

namespace pj::worker {

struct SealRequest {
  kube::Api* api = nullptr;
  std::string ns = "default";
  std::string job;
  ledger::JobIdentity identity;
  uint64_t mini_batches = 0;
  uint64_t roots = 0;
  std::string incarnation;
};

// Blocking. All shards, sealed, ordered by lo: a partition of [0, M).
Result<std::vector<ledger::ShardRecord>> SealLedger(const SealRequest& request);

}  // namespace pj::worker
