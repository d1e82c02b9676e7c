// The shard record's bytes: "PJS", version, fields, CRC32C. The envelope (magic, version, trailing
// checksum) is the same in every version, so that a newer record is told from a damaged one.
#include <fmt/core.h>

#include <algorithm>

#include "base/byte_io.h"
#include "base/hash.h"
#include "base/limits.h"
#include "ledger/envelope.h"
#include "ledger/record.h"

namespace pj::ledger {
namespace {

constexpr std::string_view kMagic = "PJS";
constexpr uint8_t kVersion = 1;
constexpr uint8_t kRuns = 0;
constexpr uint8_t kBitmap = 1;
constexpr size_t kMaxNameBytes = 512;
constexpr size_t kMaxListEntries = 4096;

void PutRuns(const IntervalSet& set, uint64_t base, ByteWriter* out) {
  out->Varint(set.ranges().size());
  uint64_t at = base;
  for (const auto& [begin, end] : set.ranges()) {
    out->Varint(begin - at);
    out->Varint(end - begin);
    at = end;
  }
}

// One bit each from the set's first member to its last.
void PutBitmap(const IntervalSet& set, uint64_t base, ByteWriter* out) {
  const uint64_t first = set.ranges().begin()->first;
  const uint64_t last = set.ranges().rbegin()->second;
  std::string bits((last - first + 7) / 8, '\0');
  for (const auto& [begin, end] : set.ranges()) {
    for (uint64_t i = begin - first; i < end - first; ++i) {
      bits[i / 8] = static_cast<char>(static_cast<uint8_t>(bits[i / 8]) | (1U << (i % 8)));
    }
  }
  out->Varint(first - base);
  out->Bytes(bits);
}

// Whichever form is smaller: runs win for orderly work, the bitmap bounds the worst case to 8 KiB.
void PutSet(const IntervalSet& set, uint64_t base, ByteWriter* out) {
  ByteWriter runs;
  PutRuns(set, base, &runs);
  const uint64_t span =
      set.empty() ? 0 : set.ranges().rbegin()->second - set.ranges().begin()->first;
  if (runs.size() <= span / 8 + 8) {
    out->U8(kRuns);
    out->Raw(runs.str());
    return;
  }
  out->U8(kBitmap);
  PutBitmap(set, base, out);
}

bool GetRuns(uint64_t base, uint64_t end, ByteReader* in, IntervalSet* set) {
  const uint64_t count = in->Varint();
  if (count > limits::kShardMiniBatches) return false;
  uint64_t at = base;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t gap = in->Varint();
    const uint64_t length = in->Varint();
    // Touching runs would have been one: another form of the same set is not ours.
    if (!in->ok() || (i > 0 && gap == 0) || length == 0) return false;
    if (gap > end - at || length > end - at - gap) return false;
    at += gap;
    set->Add(at, at + length);
    at += length;
  }
  return true;
}

bool GetBitmap(uint64_t base, uint64_t end, ByteReader* in, IntervalSet* set) {
  const uint64_t offset = in->Varint();
  const std::string_view bits = in->Bytes();
  if (!in->ok() || offset > end - base || bits.size() > limits::kShardMiniBatches / 8) return false;
  const uint64_t first = base + offset;
  for (uint64_t i = 0; i < bits.size() * 8; ++i) {
    if ((static_cast<uint8_t>(bits[i / 8]) >> (i % 8) & 1) == 0) continue;
    if (first + i >= end) return false;
    set->Add(first + i);
  }
  return true;
}

bool GetSet(uint64_t base, uint64_t end, ByteReader* in, IntervalSet* set) {
  switch (in->U8()) {
    case kRuns:
      return GetRuns(base, end, in, set);
    case kBitmap:
      return GetBitmap(base, end, in, set);
    default:
      return false;
  }
}

void PutCounters(const Counters& c, ByteWriter* out) {
  for (const uint64_t v : {c.items_ok, c.items_failed, c.mini_batches_failed, c.retries,
                           c.infrastructure_losses, c.busy_ns}) {
    out->Varint(v);
  }
}

void GetCounters(ByteReader* in, Counters* c) {
  for (uint64_t* v : {&c->items_ok, &c->items_failed, &c->mini_batches_failed, &c->retries,
                      &c->infrastructure_losses, &c->busy_ns}) {
    *v = in->Varint();
  }
}

void PutErrors(const std::vector<ErrorGroup>& errors, ByteWriter* out) {
  out->Varint(errors.size());
  for (const ErrorGroup& group : errors) {
    out->U64(group.hash);
    out->Varint(group.count);
    out->Varint(group.first_ids.size());
    for (const uint64_t id : group.first_ids) out->Varint(id);
    out->Bytes(group.text);
    out->Bytes(group.log);
  }
}

bool GetErrors(ByteReader* in, std::vector<ErrorGroup>* errors) {
  const uint64_t count = in->Varint();
  if (count > limits::kErrorGroups) return false;
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    ErrorGroup group;
    group.hash = in->U64();
    group.count = in->Varint();
    const uint64_t ids = in->Varint();
    if (ids > limits::kErrorGroupIds) return false;
    for (uint64_t k = 0; k < ids; ++k) group.first_ids.push_back(in->Varint());
    group.text = in->Bytes();
    group.log = in->Bytes();
    errors->push_back(std::move(group));
  }
  return in->ok();
}

void PutOutputs(const std::vector<OutputMark>& outputs, ByteWriter* out) {
  out->Varint(outputs.size());
  for (const OutputMark& mark : outputs) {
    out->Bytes(mark.segment);
    out->Varint(mark.rows);
    out->Varint(mark.index);
    out->Varint(mark.attempts);
    out->U32(mark.crc);
  }
}

bool GetOutputs(ByteReader* in, std::vector<OutputMark>* outputs) {
  const uint64_t count = in->Varint();
  if (count > kMaxListEntries) return false;
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    OutputMark mark;
    mark.segment = in->Bytes();
    mark.rows = in->Varint();
    mark.index = in->Varint();
    mark.attempts = in->Varint();
    mark.crc = in->U32();
    outputs->push_back(std::move(mark));
  }
  return in->ok();
}

void PutWork(const ShardRecord& r, ByteWriter* out) {
  out->Varint(r.horizon - r.lo);
  out->Varint(r.low_water - r.lo);
  PutSet(r.done_above, r.lo, out);
  PutSet(r.failed, r.lo, out);
  out->Varint(r.attempts.size());
  uint64_t at = r.lo;
  for (const auto& [mini_batch, charged] : r.attempts) {
    out->Varint(mini_batch - at);
    out->Varint(charged);
    at = mini_batch;
  }
  out->Varint(r.alone.size());
  for (const Alone& alone : r.alone) {
    out->Varint(alone.mini_batch - r.lo);
    out->Varint(alone.attempt);
  }
}

bool GetWork(ByteReader* in, ShardRecord* r) {
  r->horizon = r->lo + in->Varint();
  r->low_water = r->lo + in->Varint();
  if (!in->ok() || !GetSet(r->lo, r->hi, in, &r->done_above)) return false;
  if (!GetSet(r->lo, r->hi, in, &r->failed)) return false;
  const uint64_t retried = in->Varint();
  if (retried > limits::kShardMiniBatches) return false;
  uint64_t at = r->lo;
  for (uint64_t i = 0; i < retried && in->ok(); ++i) {
    at += in->Varint();
    const uint64_t charged = in->Varint();
    if (at >= r->hi || charged > UINT32_MAX) return false;
    r->attempts.emplace_hint(r->attempts.end(), at, static_cast<uint32_t>(charged));
  }
  if (r->attempts.size() != retried) return false;
  const uint64_t alone = in->Varint();
  if (alone > 1) return false;
  for (uint64_t i = 0; i < alone; ++i) {
    const uint64_t mini_batch = r->lo + in->Varint();
    const uint64_t attempt = in->Varint();
    if (mini_batch >= r->hi || attempt > UINT32_MAX) return false;
    r->alone.push_back({mini_batch, static_cast<uint32_t>(attempt)});
  }
  return in->ok();
}

// What no writer of ours can have written, whatever its checksum says. Empty when sound.
std::string_view Flaw(const ShardRecord& r) {
  if (r.low_water < r.lo || r.low_water > r.hi) return "low-water mark outside its range";
  if (r.horizon < r.low_water || r.horizon > r.hi) return "horizon outside its range";
  if (!r.done_above.empty()) {
    if (r.done_above.ranges().begin()->first < r.low_water) return "done twice";
    if (r.done_above.ranges().rbegin()->second > r.horizon) return "done beyond the horizon";
  }
  for (const auto& [begin, end] : r.failed.ranges()) {
    for (uint64_t i = std::max(begin, r.low_water); i < end; ++i) {
      if (!r.done_above.Contains(i)) return "failed but not done";
    }
  }
  for (const SplitTicket& ticket : r.tickets) {
    if (ticket.mid < r.hi || ticket.end <= ticket.mid) return "ticket inside its own range";
  }
  return {};
}

std::string Payload(const ShardRecord& r) {
  ByteWriter out;
  out.Bytes(r.job.uid);
  out.Varint(r.job.run);
  out.Varint(r.lo);
  out.Varint(r.hi - r.lo);
  out.Bytes(r.holder);
  out.Bytes(r.incarnation);
  out.Varint(r.epoch);
  out.Bytes(r.write_id.incarnation);
  out.Varint(r.write_id.counter);
  PutWork(r, &out);
  PutOutputs(r.outputs, &out);
  PutCounters(r.counters, &out);
  PutErrors(r.errors, &out);
  out.Varint(r.progress);
  out.Varint(r.barren_epochs);
  out.Varint(r.tickets.size());
  for (const SplitTicket& ticket : r.tickets) {
    out.Varint(ticket.mid);
    out.Varint(ticket.end - ticket.mid);
  }
  out.U8(r.sealed ? 1 : 0);
  return std::move(out.str());
}

bool GetHead(ByteReader* in, ShardRecord* r) {
  r->job.uid = in->Bytes();
  const uint64_t run = in->Varint();
  r->lo = in->Varint();
  const uint64_t length = in->Varint();
  if (!in->ok() || run > UINT32_MAX || r->job.uid.size() > kMaxNameBytes) return false;
  if (length == 0 || length > limits::kShardMiniBatches || r->lo > UINT64_MAX - length) {
    return false;
  }
  r->job.run = static_cast<uint32_t>(run);
  r->hi = r->lo + length;
  r->holder = in->Bytes();
  r->incarnation = in->Bytes();
  r->epoch = in->Varint();
  r->write_id.incarnation = in->Bytes();
  r->write_id.counter = in->Varint();
  return in->ok() && r->epoch > 0;
}

bool GetTickets(ByteReader* in, ShardRecord* r) {
  const uint64_t count = in->Varint();
  if (count > kMaxListEntries) return false;
  for (uint64_t i = 0; i < count && in->ok(); ++i) {
    const uint64_t mid = in->Varint();
    const uint64_t length = in->Varint();
    if (length > limits::kShardMiniBatches || mid > UINT64_MAX - length) return false;
    r->tickets.push_back({mid, mid + length});
  }
  return in->ok();
}

bool GetPayload(std::string_view payload, ShardRecord* r) {
  ByteReader in(payload);
  if (!GetHead(&in, r) || !GetWork(&in, r) || !GetOutputs(&in, &r->outputs)) return false;
  GetCounters(&in, &r->counters);
  if (!GetErrors(&in, &r->errors)) return false;
  r->progress = in.Varint();
  const uint64_t barren = in.Varint();
  if (barren > UINT32_MAX || !GetTickets(&in, r)) return false;
  r->barren_epochs = static_cast<uint32_t>(barren);
  const uint8_t sealed = in.U8();
  r->sealed = sealed == 1;
  return in.ok() && sealed <= 1 && in.AtEnd();
}

}  // namespace

std::string EncodeShard(const ShardRecord& record) {
  return Seal(kMagic, kVersion, Payload(record));
}

Result<ShardRecord> DecodeShard(std::string_view bytes) {
  PJ_ASSIGN(const std::string_view payload, Unseal(bytes, {.magic = kMagic,
                                                           .version = kVersion,
                                                           .max_bytes = limits::kShardRecordBytes,
                                                           .what = "shard record"}));
  ShardRecord record;
  if (!GetPayload(payload, &record)) {
    return Fail(Code::kCorrupt, "LedgerCorrupt: a shard record has an impossible structure");
  }
  if (const std::string_view flaw = Flaw(record); !flaw.empty()) {
    return Fail(Code::kCorrupt, fmt::format("LedgerCorrupt: {}", flaw),
                fmt::format("shard {}", record.lo));
  }
  return record;
}

}  // namespace pj::ledger
