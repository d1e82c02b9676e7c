#include "tests/sim/checker.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/byte_io.h"
#include "base/hash.h"
#include "base/limits.h"

namespace pj::sim {

using ledger::OutputMark;
using ledger::ShardRecord;

OutputMark MarkOf(const std::string& stem, const Segment& segment) {
  OutputMark mark;
  mark.segment = stem;
  ByteWriter bytes;
  for (const IndexEntry& entry : segment.entries) {
    bytes.U64(entry.mini_batch);
    bytes.U32(entry.attempt);
    bytes.U64(entry.run);
    mark.rows += entry.length;
  }
  mark.index = segment.entries.size() * 40;
  mark.attempts = segment.attempts;
  mark.crc = Crc32c(bytes.str());
  return mark;
}

void Checker::OnWrite(const Sender& sender, const std::string& bytes) {
  if (bytes.size() > limits::kShardRecordBytes) Violate("I8: a record over its byte budget");
  auto decoded = ledger::DecodeShard(bytes);
  if (!decoded)
    return Violate("a record that cannot be read was written: " + decoded.error().ToString());
  const ShardRecord& next = *decoded;
  if (sealed_) Violate(fmt::format("I3: shard {} was written after the seal", next.lo));
  const auto prev = shards_.find(next.lo);
  if (prev == shards_.end()) {
    CheckNew(next);
  } else {
    CheckChange(sender, prev->second, next);
  }
  shards_[next.lo] = next;
  CheckPartition();
  CheckOutput(next);
}

void Checker::OnSign(const Sender& sender, Nanos now) {
  now_ = now;
  signs_[{sender.holder, sender.incarnation}] = now;
}

void Checker::CheckNew(const ShardRecord& next) {
  if (next.DoneCount() != 0 || next.epoch != 1) {
    Violate(fmt::format("I2: shard {} was created with finished work", next.lo));
  }
}

void Checker::CheckChange(const Sender& sender, const ShardRecord& prev, const ShardRecord& next) {
  const std::string shard = fmt::format("shard {}", next.lo);
  if (next.hi > prev.hi) Violate("I1: " + shard + " grew");
  if (next.write_id == prev.write_id) Violate("rule 4: " + shard + " reuses a write id");
  if (prev.sealed) Violate("I3: " + shard + " was written after its seal");
  if (next.sealed && (next.epoch != prev.epoch + 1 || !sender.seal)) {
    Violate("I3: " + shard + " was sealed without a new epoch");
  }
  if (!next.sealed && sender.seal) Violate("rule 10: " + shard + " was written, not sealed");
  const bool same_owner = next.holder == prev.holder && next.incarnation == prev.incarnation;
  const bool released = next.holder.empty() && !prev.holder.empty();
  if (!same_owner && !released && next.epoch != prev.epoch + 1) {
    Violate("I3: " + shard + " changed hands within an epoch");
  }
  if (same_owner && !next.sealed && next.epoch != prev.epoch) {
    Violate("I3: " + shard + " changed its epoch without changing hands");
  }
  if (released && running_calls(prev) > 0) {
    Violate("rule 12: " + shard + " was released while calls ran");
  }
  CheckTakeOver(prev, next);
  const bool owner = sender.holder == prev.holder && sender.incarnation == prev.incarnation;
  if (next.hi < prev.hi) {
    CheckSplit(prev, next);
  } else if (!owner && next.epoch == prev.epoch) {
    Violate("I3: " + shard + " was written by one who does not hold it");
  }
  CheckGrowth(prev, next);
  const bool work = next.DoneCount() != prev.DoneCount() || next.outputs != prev.outputs ||
                    !(next.counters == prev.counters);
  if (work && (!owner || next.epoch != prev.epoch)) {
    Violate("I2: " + shard + " got results from one who does not hold it");
  }
}

void Checker::CheckTakeOver(const ShardRecord& prev, const ShardRecord& next) {
  const bool by_stranger =
      !prev.holder.empty() && !next.holder.empty() && !next.sealed && next.holder != prev.holder;
  if (!by_stranger || !living_are_safe) return;
  const auto sign = signs_.find({prev.holder, prev.incarnation});
  if (sign != signs_.end() && now_ - sign->second < living) {
    Violate(fmt::format("rule 7: shard {} was taken from {}, which lives", next.lo, prev.holder));
  }
}

void Checker::CheckSplit(const ShardRecord& prev, const ShardRecord& next) {
  const std::string shard = fmt::format("shard {}", next.lo);
  if (next.hi < prev.horizon) Violate("rule 5: " + shard + " was split below its horizon");
  ShardRecord expected = prev;
  expected.hi = next.hi;
  expected.tickets = next.tickets;
  expected.write_id = next.write_id;
  if (!(expected == next)) Violate("rule 5: a split of " + shard + " changed more than its end");
  if (started_beyond(prev, next.hi)) {
    Violate("rule 3: " + shard + " was split over started work");
  }
}

void Checker::CheckGrowth(const ShardRecord& prev, const ShardRecord& next) {
  const std::string shard = fmt::format("shard {}", next.lo);
  for (uint64_t i = prev.lo; i < prev.hi; ++i) {
    if (prev.IsDone(i) && (i >= next.hi || !next.IsDone(i))) {
      Violate(fmt::format("I4: mini-batch {} was done and is open again", i));
    }
    if (prev.failed.Contains(i) && !next.failed.Contains(i)) {
      Violate(fmt::format("I4: mini-batch {} had failed and has not any more", i));
    }
  }
  const ledger::Counters& a = prev.counters;
  const ledger::Counters& b = next.counters;
  if (b.items_ok < a.items_ok || b.items_failed < a.items_failed ||
      b.mini_batches_failed < a.mini_batches_failed || b.retries < a.retries ||
      b.infrastructure_losses < a.infrastructure_losses || next.progress < prev.progress) {
    Violate("I4: a counter of " + shard + " fell");
  }
  for (const auto& [mini_batch, count] : prev.attempts) {
    const auto it = next.attempts.find(mini_batch);
    const uint32_t now = it == next.attempts.end() ? 0 : it->second;
    if (mini_batch < next.hi && !next.IsDone(mini_batch) && now < count) {
      Violate(fmt::format("I6: charged attempts of mini-batch {} were forgotten", mini_batch));
    }
  }
  // Rule 9: named, after three barren epochs, and its agent died again.
  const bool taken = next.epoch > prev.epoch && !next.sealed;
  if (taken && !prev.alone.empty() && prev.barren_epochs >= 3) ++charged_[prev.alone[0].mini_batch];
  for (const auto& [mini_batch, count] : next.attempts) {
    if (count > charged_[mini_batch]) {
      Violate(fmt::format("I6: mini-batch {} is charged with what did not fail", mini_batch));
    }
  }
}

// Committed entries of a shard; every difference between marks and files is a torn output.
std::map<uint64_t, IndexEntry> Checker::CommittedEntries(const ShardRecord& shard) {
  std::map<uint64_t, IndexEntry> found;
  for (const OutputMark& mark : shard.outputs) {
    const Segment& file = segments[mark.segment];
    if (mark.index / 40 > file.entries.size()) {
      Violate(fmt::format("I15: shard {} commits more than {} holds", shard.lo, mark.segment));
      continue;
    }
    Segment committed;
    committed.attempts = mark.attempts;
    committed.entries.assign(file.entries.begin(),
                             file.entries.begin() + static_cast<int64_t>(mark.index / 40));
    if (!(MarkOf(mark.segment, committed) == mark)) {
      Violate(fmt::format("I15: torn output in {}", mark.segment));
    }
    for (const IndexEntry& entry : committed.entries) {
      if (entry.mini_batch < shard.lo || entry.mini_batch >= shard.hi) continue;
      if (!found.emplace(entry.mini_batch, entry).second) {
        Violate(fmt::format("I2: the rows of mini-batch {} stand twice", entry.mini_batch));
      }
    }
  }
  return found;
}

void Checker::CheckOutput(const ShardRecord& shard) {
  const std::map<uint64_t, IndexEntry> entries = CommittedEntries(shard);
  uint64_t items = 0;
  for (uint64_t i = shard.lo; i < shard.hi; ++i) {
    const auto entry = entries.find(i);
    if (!shard.IsDone(i)) {
      if (entry != entries.end())
        Violate(fmt::format("I2: mini-batch {} has rows, is not done", i));
      continue;
    }
    items += shape_.items_each;
    if (entry == entries.end()) {
      Violate(fmt::format("I2: mini-batch {} is done, its rows are not there", i));
      continue;
    }
    if (entry->second.failed != shard.failed.Contains(i)) {
      Violate(fmt::format("I4: mini-batch {}: failed in the output or in the ledger only", i));
    }
    const auto limit = static_cast<uint64_t>(shape_.max_retries) + 1;
    if (entry->second.attempt > limit || (entry->second.failed && entry->second.attempt != limit)) {
      Violate(fmt::format("I6: mini-batch {} ended at attempt {} of {}", i, entry->second.attempt,
                          limit));
    }
    const auto [run, is_new] = committed_runs_.emplace(i, entry->second.run);
    if (!is_new && run->second != entry->second.run) {
      Violate(fmt::format("I2: mini-batch {} was committed twice", i));
    }
  }
  const ledger::Counters& c = shard.counters;
  if (c.mini_batches_failed != shard.failed.count()) {
    Violate(fmt::format("I5: shard {} counts {} failures of {}", shard.lo, c.mini_batches_failed,
                        shard.failed.count()));
  }
  if (c.items_ok + c.items_failed != items) {
    Violate(fmt::format("I1: shard {} counts {} items of {}", shard.lo, c.items_ok + c.items_failed,
                        items));
  }
}

void Checker::CheckPartition() {
  std::map<uint64_t, uint64_t> ranges;
  const auto add = [&](uint64_t lo, uint64_t hi) {
    if (!ranges.emplace(lo, hi).second) Violate(fmt::format("I1: two ranges begin at {}", lo));
  };
  for (uint64_t i = 0; i < shape_.roots; ++i) {
    const uint64_t lo = ledger::RootBegin(shape_.mini_batches, shape_.roots, i);
    if (!shards_.contains(lo)) {
      add(lo, ledger::RootBegin(shape_.mini_batches, shape_.roots, i + 1));
    }
  }
  for (const auto& [lo, shard] : shards_) {
    add(lo, shard.hi);
    for (const ledger::SplitTicket& ticket : shard.tickets) {
      if (!shards_.contains(ticket.mid)) add(ticket.mid, ticket.end);
    }
  }
  uint64_t at = 0;
  for (const auto& [lo, hi] : ranges) {
    if (lo != at) return Violate(fmt::format("I1: gap or overlap at mini-batch {}", at));
    at = hi;
  }
  if (at != shape_.mini_batches) Violate("I1: the ranges do not end with the job");
}

void Checker::OnTake(const Sender& taker, uint64_t lo, uint64_t epoch, uint64_t mini_batch,
                     uint32_t attempt) {
  if (attempt > charged_[mini_batch] + 1) {
    Violate(fmt::format("I6: attempt {} of mini-batch {} after {} charged failures", attempt,
                        mini_batch, charged_[mini_batch]));
  }
  if (attempt > static_cast<uint64_t>(shape_.max_retries) + 1) {
    Violate(fmt::format("I6: attempt {} of mini-batch {}", attempt, mini_batch));
  }
  const ShardRecord* shard = Find(lo);
  // A fenced owner may still start what it believes to hold; nothing of it counts.
  if (shard == nullptr || shard->epoch != epoch || shard->holder != taker.holder ||
      shard->incarnation != taker.incarnation) {
    return;
  }
  if (mini_batch >= shard->hi) {
    Violate(fmt::format("rule 3: mini-batch {} was started beyond its shard", mini_batch));
  }
  // Up only after the acknowledgement, down before it is sent: so never above what the ledger says.
  if (mini_batch >= shard->horizon) {
    Violate(fmt::format("rule 3: mini-batch {} was started at or above the horizon", mini_batch));
  }
  if (shard->IsDone(mini_batch)) {
    Violate(fmt::format("promise: mini-batch {} was run again after its commit", mini_batch));
  }
  const auto it = shard->attempts.find(mini_batch);
  if (it != shard->attempts.end() && attempt <= it->second) {
    Violate(fmt::format("I6: attempt {} of mini-batch {} was charged before", attempt, mini_batch));
  }
}

void Checker::OnSealed(const std::vector<ShardRecord>& shards, bool must_be_complete) {
  sealed_ = true;
  uint64_t at = 0;
  std::vector<uint64_t> output;
  std::vector<uint64_t> expected;
  for (const ShardRecord& shard : shards) {
    const ShardRecord* stored = Find(shard.lo);
    if (stored == nullptr || !stored->sealed || !(*stored == shard)) {
      Violate(fmt::format("rule 10: shard {} is not sealed as the seal says", shard.lo));
    }
    if (shard.lo != at) Violate("I1: the sealed shards do not partition the job");
    at = shard.hi;
    for (const auto& [mini_batch, entry] : CommittedEntries(shard)) {
      if (!entry.failed) output.push_back(entry.run);
    }
    if (must_be_complete && shard.Left() > 0) {
      Violate(
          fmt::format("I1: shard {} was sealed as complete with {} open", shard.lo, shard.Left()));
    }
  }
  if (at != shape_.mini_batches) Violate("I1: the sealed shards do not cover the job");
  for (const auto& [mini_batch, run] : committed_runs_) {
    const ShardRecord* owner = nullptr;
    for (const ShardRecord& shard : shards) {
      if (mini_batch >= shard.lo && mini_batch < shard.hi) owner = &shard;
    }
    if (owner != nullptr && !owner->failed.Contains(mini_batch)) expected.push_back(run);
  }
  if (output != expected) Violate("I15: the output is not the concatenation of what was committed");
}

bool Checker::AllDone() const { return DoneMiniBatches() == shape_.mini_batches; }

uint64_t Checker::DoneMiniBatches() const {
  uint64_t done = 0;
  for (const auto& [lo, shard] : shards_) done += shard.DoneCount();
  return done;
}

bool Checker::ExceedsThresholds(const policy::Thresholds& thresholds) const {
  const auto over = [](uint64_t count, int64_t threshold) {
    return threshold >= 0 && count > static_cast<uint64_t>(threshold);
  };
  const uint64_t percent = static_cast<uint64_t>(thresholds.allowed_failed_percent);
  return over(FailedMiniBatches(), thresholds.mini_batch_error_threshold) ||
         over(FailedItems(), thresholds.error_threshold) ||
         FailedMiniBatches() * 100 > percent * shape_.mini_batches;
}

uint64_t Checker::FailedMiniBatches() const {
  uint64_t failed = 0;
  for (const auto& [lo, shard] : shards_) failed += shard.failed.count();
  return failed;
}

uint64_t Checker::FailedItems() const { return FailedMiniBatches() * shape_.items_each; }

std::vector<ShardRecord> Checker::Shards() const {
  std::vector<ShardRecord> all;
  for (const auto& [lo, shard] : shards_) all.push_back(shard);
  return all;
}

const ShardRecord* Checker::Find(uint64_t lo) const {
  const auto it = shards_.find(lo);
  return it == shards_.end() ? nullptr : &it->second;
}

}  // namespace pj::sim
