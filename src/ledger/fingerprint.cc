// AgentCore for the explorer: two states with the same fingerprint go on in the same way.
#include <bit>

#include "base/byte_io.h"
#include "ledger/agent_impl.h"

namespace pj::ledger {
namespace {

void Put(ByteWriter* out, ShardRecord record) {
  record.write_id = {};
  record.counters.busy_ns = 0;
  for (OutputMark& mark : record.outputs) mark.crc = 0;  // of contents that count runs
  out->Bytes(EncodeShard(record));
}

void Put(ByteWriter* out, const HeldShard& shard) {
  Put(out, shard.committed);
  for (const HeldShard::State state : shard.states) out->U8(static_cast<uint8_t>(state));
  out->U64(shard.next);
  out->U64(shard.limit);
  out->U64(shard.floor);
  for (const uint64_t mini_batch : shard.again) out->U64(mini_batch);
  for (const auto& [mini_batch, charged] : shard.charged) {
    out->U64(mini_batch);
    out->U64(charged.count * 2 + (charged.fresh_next ? 1 : 0));
  }
  out->U8(static_cast<uint8_t>(shard.write));
  if (shard.write != HeldShard::Write::kNone) Put(out, shard.sent);
  out->U8(shard.frozen ? (shard.frozen->synced ? 2 : 1) : 0);
  if (shard.frozen) {
    out->U64(shard.frozen->low_water);
    out->U64(shard.frozen->done_above.count());
  }
  const bool flags[] = {shard.sent_frozen, shard.unsynced, shard.tick_due,     shard.active,
                        shard.retract,     shard.gone,     shard.short_of_work};
  for (const bool flag : flags) out->U8(flag ? 1 : 0);
}

}  // namespace

std::string AgentCore::Fingerprint(Nanos now) const {
  const Impl& impl = *impl_;
  ByteWriter out;
  for (const HeldShard& shard : impl.held) Put(&out, shard);
  out.U8(static_cast<uint8_t>(impl.control.mode));
  out.U8(static_cast<uint8_t>(impl.search.step));
  if (impl.search.step != Search::Step::kNone) {
    out.U64(impl.search.lo);
    out.U64(impl.search.hi);
    Put(&out, impl.search.record);
  }
  for (const auto& [lo, shard] : impl.known) {
    out.U64(lo);
    out.U64(shard.hi);
    out.U64(shard.horizon);
    const bool looked_at = shard.round == impl.round;
    out.U8(static_cast<uint8_t>((shard.unseen ? 1 : 0) + (shard.finished ? 2 : 0) +
                                (looked_at ? 4 : 0)));
  }
  for (const uint64_t root : impl.unknown_roots) out.U64(root);
  for (const auto& [lo, mini_batch] : impl.suspects) out.U64(mini_batch);
  // How slow mini-batches are, roughly: it sets horizons.
  out.U64(std::bit_width(static_cast<uint64_t>(impl.rate.Mean())));
  const bool flags[] = {impl.over,           impl.attention,         impl.announce,
                        impl.hungry,         impl.idle_slot,         impl.sealed_seen,
                        now >= impl.tick_at, impl.armed.has_value(), now >= impl.next_search,
                        impl.Stuck(now)};
  for (const bool flag : flags) out.U8(flag ? 1 : 0);
  out.U8(impl.Patient() ? 1 : 0);
  return out.str();
}

bool AgentCore::AwaitsWrite(const WriteId& id) const {
  for (const HeldShard& shard : impl_->held) {
    if (shard.sent.write_id == id) return true;
  }
  return false;
}

}  // namespace pj::ledger
