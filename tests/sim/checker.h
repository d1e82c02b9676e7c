// Checker: the invariants of docs (proof §3), looked at after every write of the ledger.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ledger/record.h"
#include "policy/verdict.h"

namespace pj::sim {

struct IndexEntry {
  uint64_t mini_batch = 0;
  uint32_t attempt = 0;
  bool failed = false;
  uint64_t run = 0;     // which call of run() made it
  uint64_t length = 0;  // bytes of its rows
};

// A segment on the work volume: survives every crash, except for what was not synced.
struct Segment {
  std::vector<IndexEntry> entries;
  uint64_t attempts = 0;
};
ledger::OutputMark MarkOf(const std::string& stem, const Segment& segment);

struct JobShape {
  std::string job = "job";
  ledger::JobIdentity identity{"uid-1", 1};
  uint64_t mini_batches = 0;
  uint64_t roots = 0;
  int64_t max_retries = 0;
  uint64_t items_each = 1;
};

// Who sent a write: an agent's holder and incarnation, or the seal.
struct Sender {
  std::string holder;
  std::string incarnation;
  bool seal = false;
};

class Checker {
 public:
  explicit Checker(JobShape shape) : shape_(std::move(shape)) {}

  // A write was carried out. `running(lo, epoch, from)` says whether the shard's living owner ever
  // started one at or above `from`; `busy(lo)` how many of its calls run.
  void OnWrite(const Sender& sender, const std::string& bytes);
  // An agent was given a mini-batch.
  void OnTake(const Sender& taker, uint64_t lo, uint64_t epoch, uint64_t mini_batch,
              uint32_t attempt);
  // An agent's write of any kind was carried out; before OnWrite.
  void OnSign(const Sender& sender, Nanos now);
  void OnCharged(uint64_t mini_batch) { ++charged_[mini_batch]; }
  void OnSealed(const std::vector<ledger::ShardRecord>& shards, bool must_be_complete);

  bool AllDone() const;
  uint64_t FailedMiniBatches() const;
  uint64_t FailedItems() const;
  uint64_t DoneMiniBatches() const;
  bool ExceedsThresholds(const policy::Thresholds& thresholds) const;
  std::vector<ledger::ShardRecord> Shards() const;
  const ledger::ShardRecord* Find(uint64_t lo) const;

  void Violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }
  const std::string& violation() const { return violation_; }

  std::map<std::string, Segment> segments;  // written by the agents
  std::function<bool(const ledger::ShardRecord&, uint64_t from)> started_beyond;
  std::function<size_t(const ledger::ShardRecord&)> running_calls;
  // Nobody takes over from one that gave a sign less than `living` ago.
  bool living_are_safe = false;
  Nanos living{0};

 private:
  void CheckNew(const ledger::ShardRecord& next);
  void CheckChange(const Sender& sender, const ledger::ShardRecord& prev,
                   const ledger::ShardRecord& next);
  void CheckTakeOver(const ledger::ShardRecord& prev, const ledger::ShardRecord& next);
  void CheckSplit(const ledger::ShardRecord& prev, const ledger::ShardRecord& next);
  void CheckGrowth(const ledger::ShardRecord& prev, const ledger::ShardRecord& next);
  void CheckOutput(const ledger::ShardRecord& shard);
  void CheckPartition();
  std::map<uint64_t, IndexEntry> CommittedEntries(const ledger::ShardRecord& shard);

  JobShape shape_;
  std::map<uint64_t, ledger::ShardRecord> shards_;
  std::map<uint64_t, uint64_t> committed_runs_;  // mini-batch → run whose rows count
  std::map<uint64_t, uint32_t> charged_;
  std::map<std::pair<std::string, std::string>, Nanos> signs_;  // (holder, incarnation) → last
  Nanos now_{0};
  bool sealed_ = false;
  std::string violation_;
};

}  // namespace pj::sim
