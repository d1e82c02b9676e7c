#include "worker/pod/shard_walk.h"

#include <deque>
#include <set>

#include "base/backoff.h"
#include "worker/store.h"

namespace pj::worker {
namespace {

using ledger::Reply;

constexpr Nanos kBetweenShards = Millis(20);  // pods that start again together ask together

}  // namespace

bool WalkShards(const ShardWalkOptions& options,
                const std::function<bool(const ledger::ShardRecord&)>& each) {
  const job::JobObjects& objects = options.store->objects();
  const StoreClient client(options.store->api(), objects);
  Backoff backoff(Millis(200), Seconds(30), options.seed);
  std::deque<uint64_t> todo;
  for (uint64_t i = 0; i < options.plan->roots; ++i) {
    todo.push_back(ledger::RootBegin(options.plan->mini_batches, options.plan->roots, i));
  }
  std::set<uint64_t> seen(todo.begin(), todo.end());
  while (!todo.empty()) {
    const std::string name = ledger::ShardName(objects.job, objects.identity, todo.front());
    const Result<Reply> reply = client.Do({.op = ledger::Call::Op::kGet, .name = name});
    const bool missing = reply && reply->outcome == Reply::Outcome::kNotFound;
    if (!reply || (reply->outcome != Reply::Outcome::kOk && !missing)) {
      if (options.wait_stopped(backoff.Next())) return false;
      continue;
    }
    backoff.Reset();
    todo.pop_front();
    if (!missing) {
      const Result<ledger::ShardRecord> shard = ledger::DecodeShard(reply->record);
      if (!shard || !each(*shard)) return false;
      for (const ledger::SplitTicket& ticket : shard->tickets) {
        if (seen.insert(ticket.mid).second) todo.push_back(ticket.mid);
      }
    }
    if (!todo.empty() && options.wait_stopped(kBetweenShards)) return false;
  }
  return true;
}

}  // namespace pj::worker
