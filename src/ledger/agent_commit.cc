// The writes of held shards: checkpoint order, horizon, merge and fence (rules 3 and 4), release
// (rule 12).
#include <algorithm>
#include <utility>

#include "ledger/agent_impl.h"
#include "ledger/plants.h"

namespace pj::ledger {
namespace {

constexpr double kTailNanos = 50e6;       // with less work left than this, the horizon is the end
constexpr double kShortTailNanos = 15e6;  // local: the same where puts are quick
constexpr double kMarginNanos = 20e6;     // raise when less than this is left below the horizon
constexpr uint64_t kReservedShare =
    8;  // local: at most 1/8 of what is left is out of thieves' reach
constexpr uint32_t kProgressTicks = 2;  // nothing but progress is written every other tick

uint64_t DoneEnd(const ShardRecord& record) {
  if (record.done_above.empty()) return record.low_water;
  return record.done_above.ranges().rbegin()->second;
}

}  // namespace

// --- Horizon
// --------------------------------------------------------------------------------------

// ΔH of rule 3. A local put takes milliseconds, so less than 2T can be reserved there when little
// is left: what lies below the horizon is what a slow agent keeps from a quick one.
uint64_t AgentCore::Impl::Reserve(uint64_t left) const {
  const double each = rate.Mean();
  const uint64_t slots = config.slots;
  if (each == 0) return std::min(left, slots);
  const double work = static_cast<double>(left) * each;
  const double tail =
      config.local ? std::clamp(5 * latency_ns, kShortTailNanos, kTailNanos) : kTailNanos;
  if (work < tail) return left;
  double window = 2.0 * static_cast<double>(control.tick.count());
  if (config.local) window = std::min(window, std::max(tail, work / kReservedShare));
  const auto by_time = static_cast<uint64_t>(window / each);
  return std::min(left, std::max(slots, std::min((left + 1) / 2, by_time)));
}

// Whoever could start something has been busy for a tick with what he has.
bool AgentCore::Impl::Stuck(Nanos at) const {
  return !Stopping() && !idle_slot && Running() > 0 && at - last_move >= control.tick;
}

// It is stuck, and others, who idle, could do the rest: the controller asks for it.
bool AgentCore::Impl::Retreats(const HeldShard& shard) const {
  const std::vector<uint64_t>& asked = control.retract;
  return std::find(asked.begin(), asked.end(), shard.committed.lo) != asked.end() && Stuck(now);
}

// A shard in which nothing was started, held by an agent that has no slot for it.
bool AgentCore::Impl::Spares(const HeldShard& shard) const {
  const bool untouched = shard.running == 0 && shard.again.empty() && shard.charged.empty() &&
                         !shard.alone && !shard.unsynced && !shard.frozen;
  return untouched && suspects.empty() && Retreats(shard);
}

bool AgentCore::Impl::WantsRaise(const HeldShard& shard) const {
  if (Retreats(shard)) return false;
  if (shard.limit >= shard.committed.hi ||
      shard.next + Reserve(shard.committed.hi - shard.next) <= shard.limit) {
    return false;
  }
  if (shard.short_of_work) return true;
  return shard.Reserved() < shard.raise_below;
}

// Mini-batches became slower than foreseen, or the controller asks: give back what others could do.
bool AgentCore::Impl::WantsLower(const HeldShard& shard) const {
  if (shard.limit <= shard.next || shard.limit <= shard.floor) return false;
  if (Retreats(shard)) return true;
  const uint64_t reserve = Reserve(shard.committed.hi - shard.next);
  const uint64_t kept = shard.Reserved();
  return shard.retract ? kept > reserve : kept > 2 * reserve + config.slots;
}

uint64_t AgentCore::Impl::NextHorizon(const HeldShard& shard) const {
  const uint64_t hi = shard.committed.hi;
  const uint64_t reserve = Retreats(shard) ? 0 : Reserve(hi - shard.next);
  uint64_t aim = std::max(shard.floor, shard.next + reserve);
  if (shard.retract && Planted(Plant::kRetractBelowStarted)) aim = DoneEnd(shard.committed);
  if (WantsLower(shard)) return std::min(aim, shard.limit);
  // What was given up is not taken again by a put that only says that we live.
  if (Stuck(now) && !shard.short_of_work) aim = 0;
  return std::min(hi, std::max({aim, shard.limit, shard.next, shard.floor}));
}

// --- What to send, and when
// -----------------------------------------------------------------------

void AgentCore::Impl::Drive(HeldShard* shard) {
  const double each = std::max(1.0, rate.Mean());
  const double margin = std::max(kMarginNanos, 3 * latency_ns);
  const bool quick = rate.Known() && each < margin;
  const uint64_t left = shard->committed.hi - std::min(shard->next, shard->committed.hi);
  shard->raise_below =
      quick ? std::min(static_cast<uint64_t>(margin / each), Reserve(left) / 2) + 1 : 0;
  shard->search_below = quick ? static_cast<uint64_t>(kTailNanos / each) + 1 : 0;
  if (shard->write == HeldShard::Write::kWaitGet && now >= shard->wait_until) SendGet(shard);
  if (shard->write != HeldShard::Write::kNone || shard->gone) return;
  const bool leaving = (Stopping() && (shard->running == 0 || Planted(Plant::kReleaseEarly))) ||
                       ((shard->tick_due || shard->retract) && Spares(*shard));
  const bool settled = shard->AllDone() || leaving;
  if (!shard->frozen && shard->unsynced && (shard->tick_due || settled)) StartSync(shard);
  if (shard->frozen && !shard->frozen->synced && settled) return;
  if (WantsPut(*shard, leaving)) SendPut(shard, leaving);
}

bool AgentCore::Impl::WantsPut(const HeldShard& shard, bool leaving) const {
  if (shard.frozen && shard.frozen->synced) return true;
  if (leaving || shard.AllDone()) return true;
  if (shard.alone && (shard.committed.alone.empty() || shard.committed.alone[0] != *shard.alone)) {
    return true;
  }
  if (!Stopping() && WantsRaise(shard)) return true;
  if (shard.retract && WantsLower(shard)) return true;
  if (!shard.tick_due || shard.frozen) return false;
  return WantsLower(shard) || (shard.active && shard.quiet_ticks >= kProgressTicks);
}

void AgentCore::Impl::StartSync(HeldShard* shard) {
  shard->frozen = shard->Freeze();
  shard->tick_due = false;
  out->push_back(SyncOutput{shard->committed.lo});
}

void AgentCore::Impl::SendPut(HeldShard* shard, bool leaving) {
  const uint64_t horizon = NextHorizon(*shard);
  ShardRecord body = shard->NextBody(horizon, FreshWriteId());
  if (DoneEnd(body) > body.horizon) {
    return Stall({Code::kInternal, "a commit would lie beyond its horizon",
                  ShardName(config.job, config.identity, body.lo), "please report this"});
  }
  shard->sent_frozen = shard->frozen && shard->frozen->synced;
  const bool last = leaving && !shard->unsynced && (!shard->frozen || shard->sent_frozen);
  if (last && body.Left() > 0) {
    body.holder.clear();
    body.incarnation.clear();
    body.alone.clear();
  }
  // Down before it is sent: a thief may act on it as soon as it lands.
  if (!Planted(Plant::kLowerAfterAck)) shard->limit = std::min(shard->limit, horizon);
  if (Planted(Plant::kRaiseBeforeAck)) shard->limit = std::max(shard->limit, horizon);
  const Call::Step step = body.holder.empty() ? Call::Step::kRelease : Call::Step::kOther;
  shard->call = Send(Call::Op::kPut, body.lo, shard->version, &body, step);
  shard->sent = std::move(body);
  shard->sent_at = now;
  shard->write = HeldShard::Write::kPut;
  shard->active = shard->short_of_work = shard->retract = shard->tick_due = false;
}

void AgentCore::Impl::SendGet(HeldShard* shard) {
  shard->call = Send(Call::Op::kGet, shard->committed.lo, {}, nullptr);
  shard->write = HeldShard::Write::kGet;
}

void AgentCore::Impl::WaitToGet(HeldShard* shard) {
  StillWanted(shard);
  shard->wait_until = now + BackoffFor(shard->unknown_in_row++);
  shard->write = HeldShard::Write::kWaitGet;
}

// --- What came of it
// ------------------------------------------------------------------------------

void AgentCore::Impl::OnShardReply(HeldShard* shard, const Reply& reply) {
  const bool put = shard->write == HeldShard::Write::kPut;
  const std::string name = ShardName(config.job, config.identity, shard->committed.lo);
  switch (reply.outcome) {
    case Reply::Outcome::kOk: {
      if (put) {
        const auto took = static_cast<double>((now - shard->sent_at).count());
        latency_ns = took > latency_ns ? took : 0.9 * latency_ns + 0.1 * took;
        Acknowledged(shard->sent_at);
        return OnPutDone(shard, std::move(shard->sent), reply.version);
      }
      auto read = Decode(reply, shard->committed.lo);
      if (!read) return Stall(std::move(read).error());
      return Settle(shard, std::move(*read), reply.version);
    }
    case Reply::Outcome::kExists:
    case Reply::Outcome::kConflict:
      StillWanted(shard);
      return SendGet(shard);
    case Reply::Outcome::kUnknown:
      if (put && Planted(Plant::kUnknownIsSuccess)) {
        return OnPutDone(shard, std::move(shard->sent), shard->version);
      }
      if (put && Planted(Plant::kLowerUndoneOnUnknown)) shard->limit = shard->committed.horizon;
      return WaitToGet(shard);
    case Reply::Outcome::kNotFound:
      return Stall({Code::kCorrupt, "LedgerCorrupt: a shard in work was deleted", name,
                    "start the job anew; its output so far is in the segments"});
    case Reply::Outcome::kRejected:
      return Stall({Code::kForbidden, "the ledger refused a commit: " + reply.message, name, ""});
  }
}

// What a put without success carried.
void AgentCore::Impl::StillWanted(HeldShard* shard) {
  shard->active = true;
  if (shard->sent.horizon > shard->limit) shard->short_of_work = true;
}

void AgentCore::Impl::OnPutDone(HeldShard* shard, ShardRecord body, std::string at_version) {
  const uint64_t before = shard->limit;
  shard->Committed(std::move(body), std::move(at_version));
  if (!Mine(shard->committed) || (shard->AllDone() && shard->committed.Left() == 0)) {
    Learn(shard->committed);
    shard->gone = true;
    return;
  }
  const bool named = shard->alone && !shard->committed.alone.empty();
  if (shard->limit > before || named) announce = true;
}

// Rule 4: what was read decides. Our own write, recognised by its whole id, counts as acknowledged.
void AgentCore::Impl::Settle(HeldShard* shard, ShardRecord read, std::string at_version) {
  shard->unknown_in_row = 0;
  const WriteId& id = shard->sent.write_id;
  const bool own =
      Planted(Plant::kWriteIdByNumber) ? read.write_id.counter == id.counter : read.write_id == id;
  if (own) {
    return OnPutDone(shard, std::move(shard->sent), std::move(at_version));
  }
  if (Planted(Plant::kReadNewestIsOwn)) {
    return OnPutDone(shard, std::move(shard->sent), std::move(at_version));
  }
  const bool same = Mine(read) && read.epoch == shard->committed.epoch && !read.sealed;
  if (!same && Planted(Plant::kNoFencing)) {
    shard->write = HeldShard::Write::kNone;
    shard->version = std::move(at_version);
    return;
  }
  if (!same) {
    Learn(read);
    return Fence(shard);
  }
  if (Planted(Plant::kRetryWithoutReading)) {
    shard->write = HeldShard::Write::kNone;
    shard->version = std::move(at_version);
    return;
  }
  const uint64_t lo = read.lo;
  Learn(read);
  if (shard->sent.holder.empty()) announce = true;  // a release that did not land: it may go on
  if (shard->Merge(std::move(read), std::move(at_version))) {
    out->push_back(DropRange{lo, shard->committed.hi});
  }
}

void AgentCore::Impl::Fence(HeldShard* shard) {
  const uint64_t lo = shard->committed.lo;
  out->push_back(DropRange{lo, lo});
  std::erase_if(suspects, [lo](const auto& suspect) { return suspect.first == lo; });
  shard->gone = true;
  announce = true;
}

}  // namespace pj::ledger
