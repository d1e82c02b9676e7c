// HeldShard: what one agent knows about a shard that it owns: what it committed, what happened
// since, and which writes are under way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/agent_core.h"
#include "ledger/record.h"

namespace pj::ledger {

// Charged failures of a mini-batch that is not terminal yet.
struct Charged {
  uint32_t count = 0;
  bool fresh_next = true;  // the next attempt needs a process that has run nothing
};

// The part of a record that output stands behind: frozen when the sync begins, committed after it.
struct FrozenWork {
  uint64_t low_water = 0;
  IntervalSet done_above;
  IntervalSet failed;
  std::map<uint64_t, uint32_t> attempts;
  Counters counters;
  std::vector<ErrorGroup> errors;
  OutputMark mark;
  bool synced = false;  // OutputSynced came: may be committed
};

// A plain state, copied by the explorer. Methods keep the states of single mini-batches right; what
// is sent, and when, is AgentCore's business.
class HeldShard {
 public:
  // From a record that says that we hold it.
  HeldShard(ShardRecord record, std::string version);

  // kAside: open, and waits in `again`.
  enum class State : uint8_t { kOpen, kAside, kRunning, kDone };
  static bool IsOpen(State state) { return state == State::kOpen || state == State::kAside; }

  // --- mini-batches (hot) ---
  // Gives consecutive first attempts below the limit; returns how many.
  size_t TakeFresh(size_t max, bool only_attempt, std::vector<Assignment>* out) {
    size_t given = 0;
    while (given < max && next < limit) {
      State& state = states[next - committed.lo];
      if (state == State::kOpen) {
        state = State::kRunning;
        out->push_back({.mini_batch = next,
                        .lo = committed.lo,
                        .epoch = committed.epoch,
                        .last_attempt = only_attempt});
        ++given;
      }
      ++next;
    }
    running += given;
    return given;
  }
  // One that was given before: a retry, or something given back.
  Assignment TakeAgain(int64_t max_retries);
  Assignment TakeAlone(int64_t max_retries);
  bool HasAgain() const { return !again.empty(); }
  bool NextAgainWasCharged() const { return !charged.empty() && charged.contains(again.back()); }
  // Runs now under exactly this attempt of this epoch.
  bool IsCurrent(uint64_t mini_batch, uint32_t attempt, uint64_t epoch) const {
    if (epoch != committed.epoch || mini_batch < committed.lo || mini_batch >= committed.hi) {
      return false;
    }
    return states[mini_batch - committed.lo] == State::kRunning && attempt == AttemptOf(mini_batch);
  }
  uint32_t AttemptOf(uint64_t mini_batch) const {
    if (charged.empty()) return 1;
    const auto it = charged.find(mini_batch);
    return it == charged.end() ? 1 : it->second.count + 1;
  }
  // An open one leaves the order of first attempts and waits in `again`.
  void SetAside(uint64_t mini_batch);
  void PutBack(uint64_t mini_batch);
  // Given out and never started. The last one of the order goes back to it, so that the horizon may
  // be lowered below it.
  void PutBackUnstarted(uint64_t mini_batch);
  void MarkDone(uint64_t mini_batch) {
    states[mini_batch - committed.lo] = State::kDone;
    --running;
    ++done;
    unsynced = true;
  }
  // Takes back everything that runs, uncharged; returns the mini-batches.
  std::vector<uint64_t> WithdrawRunning();
  // Open mini-batches in [from, to).
  std::vector<uint64_t> OpenIn(uint64_t from, uint64_t to) const;

  // The wanted `alone` stands in the ledger, and no write under way takes it out again.
  bool Named() const {
    const auto says = [this](const ShardRecord& record) {
      return !record.alone.empty() && record.alone.front() == *alone;
    };
    return alone && says(committed) && (write == Write::kNone || says(sent));
  }

  // A release is under way, or nobody knows yet whether it has landed: nothing may start.
  bool Leaving() const { return write != Write::kNone && sent.holder.empty(); }

  uint64_t Length() const { return committed.hi - committed.lo; }
  bool AllDone() const { return done == Length(); }
  // Never looked at and below the limit.
  uint64_t Reserved() const { return limit > next ? limit - next : 0; }
  // Not started yet, wherever.
  uint64_t Unstarted() const {
    return again.size() + (committed.hi > next ? committed.hi - next : 0);
  }

  // --- commits ---
  FrozenWork Freeze();
  // The next body to send: committed facts, frozen work if its output is safe, a new horizon.
  ShardRecord NextBody(uint64_t horizon, WriteId id) const;
  void Committed(ShardRecord body, std::string version);
  // After a lost race with the same epoch: adopts range, tickets and version; true when something
  // that was started lies outside now.
  bool Merge(ShardRecord read, std::string version);
  void ForgetBeyond(uint64_t hi);

  ShardRecord committed;
  std::string version;
  std::vector<State> states;  // index: mini-batch − lo
  uint64_t next = 0;          // everything below was looked at
  uint64_t limit = 0;         // horizon in effect: never above what is acknowledged
  uint64_t floor = 0;         // no horizon below: earlier epochs were there
  uint64_t running = 0;
  uint64_t done = 0;
  std::vector<uint64_t> again;          // descending: the back goes first
  std::map<uint64_t, Charged> charged;  // unfinished retried ones
  IntervalSet failed;
  Counters counters;
  std::vector<ErrorGroup> errors;
  std::optional<Alone> alone;  // wanted in the record
  std::optional<FrozenWork> frozen;

  enum class Write : uint8_t { kNone, kPut, kGet, kWaitGet };
  Write write = Write::kNone;
  uint64_t call = 0;         // id of the call under way
  ShardRecord sent;          // body of the put under way, or of unknown outcome
  bool sent_frozen = false;  // it contained the frozen work
  Nanos sent_at{0};
  Nanos wait_until{0};
  uint32_t unknown_in_row = 0;

  bool unsynced = false;  // results since the last freeze
  bool active = false;    // something happened since the last put: progress
  bool tick_due = false;
  uint32_t quiet_ticks = 0;    // ticks without a put
  bool short_of_work = false;  // somebody asked and got less
  bool retract = false;
  bool gone = false;          // released, finished or fenced: to be forgotten
  uint64_t raise_below = 0;   // fewer than these below the limit: look at the horizon
  uint64_t search_below = 0;  // fewer than these unstarted: look for more work
};

}  // namespace pj::ledger
