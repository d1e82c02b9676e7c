// SealLedger: drives ledger::Sealer over the API until no commit can succeed any more (protocol
// rule 10).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "ledger/record.h"

namespace pj::worker {

struct SealRequest {
  kube::Api* api = nullptr;
  std::string ns;
  std::string job;
  ledger::JobIdentity identity;
  uint64_t mini_batches = 0;
  uint64_t roots = 0;
  std::string incarnation;  // unique: marks the sealer's own writes
};

// All shards, sealed, ordered, a partition of [0, M). Safe to repeat, and for two to do at once.
Result<std::vector<ledger::ShardRecord>> SealLedger(const SealRequest& request);

}  // namespace pj::worker
