// Signs of life outside a local run: our own (rule 2), and what is seen of others' (rule 7). Only
// our own monotonic clock counts, never a time that another wrote. A wrong guess costs repeated
// execution, never a second commit: that is decided by compare-and-swap alone.
#include <utility>

#include "ledger/agent_impl.h"
#include "ledger/plants.h"

namespace pj::ledger {
namespace {

constexpr int kLeaseTicks = 3;  // without a sign for so long: gone
constexpr int kTrustTicks = 2;  // we stop before others may take over

}  // namespace

// --- Our own
// --------------------------------------------------------------------------------------

// One write a tick: a lone shard that is being written is sign enough, save for news of the worker.
void AgentCore::Impl::DriveLease() {
  if (!lease.due || lease.step != OwnLease::Step::kNone) return;
  lease.due = false;
  const auto speaks = [](const HeldShard& shard) {
    return shard.frozen || shard.write == HeldShard::Write::kPut;
  };
  const bool news = std::exchange(lease.news, false) && !Stopping();
  if (!news && held.size() == 1 && speaks(held.front())) return;
  lease.step = OwnLease::Step::kWrite;
  lease.sent_at = now;
  Call call{.id = next_call++,
            .op = lease.version.empty() ? Call::Op::kCreateLease : Call::Op::kPutLease,
            .name = ChildName(config.job, config.identity, config.holder),
            .version = lease.version,
            .record = config.incarnation};
  lease.call = call.id;
  out->push_back(std::move(call));
}

void AgentCore::Impl::OnLeaseReply(const Reply& reply) {
  const bool wrote = lease.step == OwnLease::Step::kWrite;
  lease.step = OwnLease::Step::kNone;
  switch (reply.outcome) {
    case Reply::Outcome::kOk:
      lease.version = reply.version;
      if (wrote) return Acknowledged(lease.sent_at);
      lease.due = true;  // now it can be written
      return;
    case Reply::Outcome::kExists:
    case Reply::Outcome::kConflict:
      lease.step = OwnLease::Step::kGet;
      lease.call = next_call++;
      out->push_back(Call{.id = lease.call,
                          .op = Call::Op::kGetLease,
                          .name = ChildName(config.job, config.identity, config.holder),
                          .version = {},
                          .record = {}});
      return;
    case Reply::Outcome::kNotFound:
      lease.version.clear();
      lease.due = true;
      return;
    case Reply::Outcome::kUnknown:
      return;  // with the next tick
    case Reply::Outcome::kRejected:
      return Stall({Code::kForbidden, "the ledger refused a sign of life: " + reply.message,
                    ChildName(config.job, config.identity, config.holder), ""});
  }
}

void AgentCore::Impl::Acknowledged(Nanos sent_at) {
  last_sign = std::max(last_sign, sent_at);
  if (muted) announce = true;
  muted = false;
}

// Others may soon take our shards over: what we started now would be thrown away.
bool AgentCore::Impl::MayStart(Nanos at) const {
  return config.local || at - last_sign < kTrustTicks * control.tick;
}

// --- Others'
// --------------------------------------------------------------------------------------

Nanos AgentCore::Impl::Patience() const {
  return Planted(Plant::kImpatient) ? Nanos(0) : kLeaseTicks * control.tick;
}

// True when its holder has not written to it for a tick. A thief's split is no sign of the holder.
bool AgentCore::Impl::Suspicious(const ShardRecord& read) {
  if (config.local || Planted(Plant::kNoTakeOver)) return false;
  if (Planted(Plant::kShardChangeIgnored)) return !read.holder.empty();
  Sighting& owner = known[read.lo].owner;
  const std::string by = read.incarnation + "." + read.holder;
  const bool own_write = read.write_id.incarnation == by;
  const bool same_owner = owner.seen && owner.sign.starts_with(by + "/");
  if (!own_write && same_owner) return now - owner.since >= control.tick;
  const std::string sign = by + "/" + (own_write ? std::to_string(read.write_id.counter) : "");
  return owner.Same(sign, now) && now - owner.since >= control.tick;
}

void AgentCore::Impl::SearchGetLease(ShardRecord read, std::string version) {
  search.step = Search::Step::kGetLease;
  search.lo = read.lo;
  search.hi = read.hi;
  search.call = next_call++;
  out->push_back(Call{.id = search.call,
                      .op = Call::Op::kGetLease,
                      .name = ChildName(config.job, config.identity, read.holder),
                      .version = {},
                      .record = {}});
  search.record = std::move(read);
  search.version = std::move(version);
}

// The shard and the Lease have both been silent for long enough: the holder is gone. That the shard
// is still as it was read is for the compare-and-swap to say.
void AgentCore::Impl::OnHolderLease(const Reply& reply) {
  Sighting& sighting = leases[search.record.holder];
  const bool same = sighting.Same(reply.version, now);
  Nanos silent = std::min(now - sighting.since, now - known[search.lo].owner.since);
  if (Planted(Plant::kShardChangeIgnored)) silent = now - sighting.since;
  if (!same || silent < Patience() || Stopping()) return;
  TryTakeOver(std::move(search.record), std::move(search.version));
}

}  // namespace pj::ledger
