// AgentCore: one agent's part of the protocol as a pure transition: events in, effects out. No I/O,
// no clock, no randomness of its own; the worker, the simulator and the explorer drive this same
// code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ledger/record.h"

namespace pj::ledger {

struct AgentConfig {
  std::string job;  // name, for object names
  JobIdentity identity;
  uint32_t ordinal = 0;
  // Local: "instance-0". In a cluster WorkerName(ordinal): others find this agent's Lease by it.
  std::string holder;
  // Unique per program start. Local: the same for all agents of one program, because every other
  // incarnation counts as dead there (the folder's lock) and its shards are taken over. In a
  // cluster it contains the pod's UID.
  std::string incarnation;
  uint64_t mini_batches = 0;  // M
  uint64_t roots = 0;         // R
  uint32_t slots = 1;
  int64_t max_retries = 2;
  Nanos tick = Millis(200);
  bool local = true;  // no Lease timing; may take over any shard of an older incarnation
  uint64_t seed = 1;  // jitter and victim choice
};

// --- Storage requests as data -------------------------------------------------------------------

struct Call {
  // The Lease ones outside a local run only: a Lease carries no record, its version is the message.
  enum class Op { kGet, kCreate, kPut, kGetLease, kCreateLease, kPutLease };
  // Which step of the protocol a write is, where that is not plain from `op`: tests disturb it.
  enum class Step : uint8_t { kOther, kSplit, kChild, kTakeOver, kRelease };
  uint64_t id = 0;  // echoes in Reply
  Op op = Op::kGet;
  std::string name;       // object name
  std::string version;    // kPut, kPutLease: compare-and-swap against this
  std::string record;     // kCreate, kPut: the encoded shard; kCreateLease, kPutLease: the holder
  std::string note = {};  // kCreateLease, kPutLease: the worker's state, put in by who sends it
  Step step = Step::kOther;
};

struct Reply {
  enum class Outcome {
    kOk,        // kGet: version + record; writes: the new version
    kExists,    // create came second
    kConflict,  // version was not the current one
    kNotFound,
    kUnknown,   // lost: may or may not have happened
    kRejected,  // the server refuses for good (413, 422, 403): see message
  };
  uint64_t id = 0;
  Outcome outcome = Outcome::kOk;
  std::string version;
  std::string record;
  std::string message;
};

// --- Events -------------------------------------------------------------------------------------

struct Started {};     // once, first
struct TimerFired {};  // the time of SetTimer has come
// Answer to SyncOutput, exactly one for each; none for a shard that was dropped as a whole
// meanwhile.
struct OutputSynced {
  uint64_t lo = 0;
  OutputMark mark;
};
struct ControlChanged {
  Control control;
};
// The slot host (a pod's user container, a local instance's zygote) died: all running are suspects.
// If what ran was `alone`, Finish(kProcessDied) comes first: that death is charged.
struct SlotHostDied {};
// What was appended since the last commit takes much memory: commit before the tick.
struct CommitWanted {};
using Event = std::variant<Started, TimerFired, Reply, OutputSynced, ControlChanged, SlotHostDied,
                           CommitWanted>;

// --- Effects ------------------------------------------------------------------------------------

// Get ready to append for (lo, epoch). `committed` is set when this epoch's segment already exists
// (never for a fresh epoch); what lies beyond it must be truncated.
struct OpenSegment {
  uint64_t lo = 0;
  uint64_t epoch = 0;
  std::optional<OutputMark> committed;
};
// Make everything appended for `lo` so far durable (rows, index, attempts), then report
// OutputSynced.
struct SyncOutput {
  uint64_t lo = 0;
};
// Fenced or shrunk: stop and forget everything of `lo` at or above `from`; running calls are
// killed.
struct DropRange {
  uint64_t lo = 0;
  uint64_t from = 0;
};
struct SetTimer {
  Nanos at{0};
};  // replaces the earlier timer
struct WorkAvailable {};  // Take() may now return something
// The agent has nothing more to do: drained and released, or (complete) every mini-batch is
// terminal.
struct Finished {
  enum class Why { kDrained, kAborted, kComplete } why = Why::kComplete;
};
struct Stalled {
  Error error;
};  // LedgerCorrupt and the like: needs a person
using Effect = std::variant<Call, OpenSegment, SyncOutput, DropRange, SetTimer, WorkAvailable,
                            Finished, Stalled>;

// --- Mini-batches -------------------------------------------------------------------------------

struct Assignment {
  uint64_t mini_batch = 0;
  uint32_t attempt = 1;  // rises only with charged failures
  uint64_t lo = 0;       // shard
  uint64_t epoch = 0;
  bool last_attempt = false;   // no retry left
  bool fresh_process = false;  // needs a process that has run no mini-batch yet, alone in its frame
  bool alone = false;          // careful mode: all other slots idle
};

enum class AttemptStatus : uint8_t {
  kRunDone,
  kRunException,
  kRunTimeout,
  kRunShort,
  kLoadTimeout,
  kLoadException,
  kProcessDied
};
std::string_view AttemptStatusName(AttemptStatus status);  // "RUN_DONE" …

struct AttemptResult {
  uint64_t mini_batch = 0;
  uint32_t attempt = 1;
  uint64_t lo = 0;
  uint64_t epoch = 0;
  AttemptStatus status = AttemptStatus::kRunDone;
  uint64_t items_total = 0;
  uint64_t items_ok = 0;
  Nanos busy{0};
  std::string error_text;   // first line of the cause; empty when good
  uint64_t error_hash = 0;  // 0 when good
  std::string error_log;    // where it is logged
};

enum class Verdict {
  kStale,      // not ours any more (fenced, dropped, or an older attempt): throw the rows away
  kRetry,      // charged; will come again from Take() with attempt + 1; no rows
  kSucceeded,  // terminal: rows belong to the output
  kFailed,     // terminal: only RUN_SHORT's rows belong to the output
};

// Not thread-safe; copyable (the explorer forks states). Every call that needs time gets `now`
// (monotonic). Effects are appended to `out` in the order in which they must happen.
class AgentCore {
 public:
  explicit AgentCore(AgentConfig config);
  AgentCore(const AgentCore&);
  AgentCore& operator=(const AgentCore&);
  AgentCore(AgentCore&&) noexcept;
  AgentCore& operator=(AgentCore&&) noexcept;
  ~AgentCore();

  void Step(const Event& event, Nanos now, std::vector<Effect>* out);

  // Up to `max` mini-batches below the horizon, now running. Empties nothing twice. In a drain,
  // and after an abort, gives none. What failed before, and an `alone` assignment, comes singly.
  void Take(size_t max, Nanos now, std::vector<Assignment>* out);
  // Given out but never started (slot died first, frame withdrawn): goes back, uncharged.
  void GiveBack(const Assignment& assignment, Nanos now);
  // One attempt ended. Its rows (if terminal) and its attempt record must be appended before the
  // next Step() or Poll(). In a drain kRetry means: recorded, and given out by the next start.
  Verdict Finish(const AttemptResult& result, Nanos now);
  // May emit calls that became due through Take/Finish (horizon short, shard done, drain).
  void Poll(Nanos now, std::vector<Effect>* out);
  // A sign that running calls are within their timeouts (raises `progress`).
  void NoteRunning(size_t running);
  // Whether a slot that is ready has nothing to do. Unless told, the last Take() says: it got
  // nothing.
  void NoteIdle(bool idle);
  // The worker's state, which goes with its Lease, has changed: with the next tick the Lease is
  // written even where a shard is sign of life enough. Nothing in a local run, or on the way out.
  void NoteState();

  // For reports and the simulator: the shards held, as last known to be committed.
  std::vector<const ShardRecord*> HeldShards() const;
  // For the explorer: what decides the next moves, without what only counts up (call and write
  // numbers, versions) and without times, of which only those that have passed by `now` matter.
  std::string Fingerprint(Nanos now) const;
  // Held shards in which `record` is the write under way, or the version acted upon.
  bool AwaitsWrite(const WriteId& id) const;
  size_t Running() const;  // taken and neither finished nor given back
  bool Idle() const;       // holds no unfinished shard

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// --- Seal ---------------------------------------------------------------------------------------

// Rule 10: seals every shard, creates missing roots and ticket children already sealed. Pure, like
// AgentCore: start with Step(nullptr), feed each Reply, until Done() or an error.
class Sealer {
 public:
  Sealer(std::string job, JobIdentity identity, uint64_t mini_batches, uint64_t roots,
         std::string incarnation);
  ~Sealer();
  Sealer(Sealer&&) noexcept;
  // The next call to make, or nothing when done.
  Result<std::optional<Call>> Step(const Reply* reply);
  // All sealed shards ordered by lo; together they partition [0, M).
  std::vector<ShardRecord> TakeShards();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pj::ledger
