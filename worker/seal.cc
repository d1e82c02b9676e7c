#include "worker/seal.h"

#include <poll.h>

#include <optional>

#include "base/backoff.h"
#include "base/fault_point.h"
#include "base/hash.h"
#include "ledger/agent_core.h"
#include "worker/store.h"

namespace pj::worker {
namespace {

constexpr int kUnknownInARow = 12;  // about half a minute of an API that does not answer

void Wait(Nanos time) {
  ::poll(nullptr, 0, static_cast<int>(std::chrono::ceil<Millis>(time).count()));
}

}  // namespace

Result<std::vector<ledger::ShardRecord>> SealLedger(const SealRequest& request) {
  ledger::Sealer sealer(request.job, request.identity, request.mini_batches, request.roots,
                        request.incarnation);
  const StoreClient store(request.api, {request.ns, request.job, request.identity});
  Backoff backoff(Millis(20), Seconds(5), Crc32c(request.incarnation));
  int unknown = 0;
  std::optional<ledger::Reply> reply;
  while (true) {
    PJ_ASSIGN(std::optional<ledger::Call> call, sealer.Step(reply ? &*reply : nullptr));
    if (!call) return sealer.TakeShards();
    PJ_FAULT("while_sealing");
    PJ_ASSIGN(reply, store.Do(*call));
    if (reply->outcome != ledger::Reply::Outcome::kUnknown) {
      unknown = 0;
      backoff.Reset();
      continue;
    }
    if (++unknown >= kUnknownInARow) {
      return Fail(Code::kUnavailable, "the ledger cannot be sealed: " + reply->message, call->name,
                  "start it again when the API answers");
    }
    Wait(backoff.Next());
  }
}

}  // namespace pj::worker
