#include "worker/seal.h"

#include "base/fault_point.h"
#include "worker/store.h"

namespace pj::worker {

Result<std::vector<ledger::ShardRecord>> SealLedger(const SealRequest& request) {
  StoreClient store({request.api, request.ns, request.job, request.identity});
  ledger::Sealer sealer(request.job, request.identity, request.mini_batches, request.roots,
                        request.incarnation);
  PJ_ASSIGN(std::optional<ledger::Call> call, sealer.Step(nullptr));
  while (call) {
    PJ_FAULT("while_sealing");
    const ledger::Reply reply = store.Do(*call);
    // A full disk does not heal by itself: stop here, a later start seals again.
    if (std::optional<Error> error = store.TakeStorageError()) return std::unexpected(*error);
    PJ_ASSIGN(call, sealer.Step(&reply));
  }
  return sealer.TakeShards();
}

}  // namespace pj::worker
