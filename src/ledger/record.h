// The ledger's records: what lies in a shard object, byte for byte. docs: protocol §1.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/interval_set.h"
#include "base/result.h"

namespace pj::ledger {

// Which run of which job; records of another identity are never adopted.
struct JobIdentity {
  std::string uid;
  uint32_t run = 1;
  bool operator==(const JobIdentity&) const = default;
  // 8 hex digits of a hash of UID and run: the <h> in every child's name.
  std::string ShortHash() const;
};

// Fresh for each distinct body: settles what became of a write whose answer was lost.
struct WriteId {
  std::string incarnation;
  uint64_t counter = 0;
  bool operator==(const WriteId&) const = default;
};

// Committed lengths of one segment; bytes beyond them do not exist for readers.
struct OutputMark {
  std::string segment;    // file name stem below the segments folder
  uint64_t rows = 0;      // bytes of the rows file
  uint64_t index = 0;     // bytes of the index file
  uint64_t attempts = 0;  // bytes of the attempts file
  uint32_t crc =
      0;  // CRC32C of the index file's committed bytes (each entry carries its rows' CRC)
  bool operator==(const OutputMark&) const = default;
};

struct Counters {
  uint64_t items_ok = 0;
  uint64_t items_failed = 0;
  uint64_t mini_batches_failed = 0;
  uint64_t retries = 0;  // attempts after the first
  uint64_t infrastructure_losses = 0;
  uint64_t busy_ns = 0;
  bool operator==(const Counters&) const = default;
  Counters& operator+=(const Counters& other);
};

// Failures that look alike (same hash of category + normalised last line).
struct ErrorGroup {
  uint64_t hash = 0;
  uint64_t count = 0;               // failed attempts
  std::vector<uint64_t> first_ids;  // ≤ limits::kErrorGroupIds
  std::string text;                 // ≤ limits::kErrorGroupBytes
  std::string log;                  // where the first one is logged
  bool operator==(const ErrorGroup&) const = default;
};

struct SplitTicket {
  uint64_t mid = 0;
  uint64_t end = 0;
  bool operator==(const SplitTicket&) const = default;
};

struct Alone {  // careful mode
  uint64_t mini_batch = 0;
  uint32_t attempt = 0;
  bool operator==(const Alone&) const = default;
};

struct ShardRecord {
  JobIdentity job;
  uint64_t lo = 0;
  uint64_t hi = 0;
  std::string holder;  // "instance-N", or WorkerName(N) in a cluster; empty = released
  std::string incarnation;
  uint64_t epoch = 1;
  WriteId write_id;
  uint64_t horizon = 0;                   // only mini-batches < horizon may be started
  uint64_t low_water = 0;                 // all in [lo, low_water) are terminal
  IntervalSet done_above;                 // terminal ones ≥ low_water
  IntervalSet failed;                     // terminally failed, anywhere in [lo, hi)
  std::map<uint64_t, uint32_t> attempts;  // unfinished retried ones: charged failures so far
  std::vector<Alone> alone;               // at most one; vector = optional
  std::vector<OutputMark> outputs;        // one per epoch that committed something
  Counters counters;
  std::vector<ErrorGroup> errors;  // ≤ limits::kErrorGroups
  uint64_t progress = 0;
  uint32_t barren_epochs = 0;  // epochs in a row without progress (rule 9)
  std::vector<SplitTicket> tickets;
  bool sealed = false;
  bool operator==(const ShardRecord&) const = default;

  bool IsDone(uint64_t mini_batch) const {
    return mini_batch < low_water || done_above.Contains(mini_batch);
  }
  uint64_t DoneCount() const { return low_water - lo + done_above.count(); }
  uint64_t Left() const { return hi - lo - DoneCount(); }
};

// Versioned, checksummed, bounded (limits::kShardRecordBytes). Decode: kCorrupt ("LedgerCorrupt:
// …") for anything damaged, never a guess; a newer version is kInvalid and says so.
std::string EncodeShard(const ShardRecord& record);
Result<ShardRecord> DecodeShard(std::string_view bytes);

// Control record: written by the controller only.
struct Control {
  enum class Mode : uint8_t { kRun, kDrain, kAbort };
  Mode mode = Mode::kRun;
  std::string reason;  // for kAbort: why
  Nanos tick = Millis(200);
  std::vector<uint64_t> hints;    // lo of shards with the most work left
  std::vector<uint64_t> retract;  // lo of shards whose owner should lower its horizon
  bool operator==(const Control&) const = default;
};
std::string EncodeControl(const Control& control);
Result<Control> DecodeControl(std::string_view bytes);

// Root i of R over M mini-batches: [⌊iM/R⌋, ⌊(i+1)M/R⌋).
uint64_t RootCount(uint64_t mini_batches, uint64_t instances);
uint64_t RootBegin(uint64_t mini_batches, uint64_t roots, uint64_t i);

// "<job>-<h>-s-<lo>" and the other children's names.
std::string ShardName(const std::string& job, const JobIdentity& id, uint64_t lo);
std::string ChildName(const std::string& job, const JobIdentity& id, const std::string& what);
// "w-<ordinal>": holder of shards in a cluster; ChildName(…, WorkerName(N)) is that agent's Lease.
std::string WorkerName(uint32_t ordinal);

}  // namespace pj::ledger
