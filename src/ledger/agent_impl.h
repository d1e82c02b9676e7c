// AgentCore's inside: the state that the explorer copies, and one method per decision.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "ledger/agent_core.h"
#include "ledger/held_shard.h"
#include "ledger/rate.h"

namespace pj::ledger {

// Since when something has not changed, on our own clock.
struct Sighting {
  std::string sign;
  Nanos since{0};
  bool seen = false;
  // True if it is the sign of last time.
  bool Same(const std::string& now_shown, Nanos now) {
    if (seen && sign == now_shown) return true;
    *this = {now_shown, now, true};
    return false;
  }
};

// What was last seen of a shard, ours or another's.
struct KnownShard {
  uint64_t hi = 0;
  uint64_t horizon = 0;
  bool unseen = false;  // only a ticket or a hint speaks of it
  bool finished = false;
  uint64_t round = 0;  // search round in which it was looked at
  Sighting owner;      // its holder's last write to it
};

// Our own Lease, outside a local run.
struct OwnLease {
  enum class Step : uint8_t { kNone, kWrite, kGet };
  Step step = Step::kNone;
  uint64_t call = 0;
  std::string version;  // empty: not known to exist
  Nanos sent_at{0};
  bool due = false;
  bool news = false;  // what is written with it has changed
};

// The search for work: one request at a time.
struct Search {
  enum class Step : uint8_t { kNone, kCreate, kGet, kWaitGet, kTakeOver, kSteal, kGetLease };
  Step step = Step::kNone;
  uint64_t lo = 0;  // shard that the request is about
  uint64_t hi = 0;  // its end, if it has to be created
  uint64_t call = 0;
  ShardRecord record;   // body of the write under way; kGetLease: the shard as it was read
  std::string version;  // kGetLease: its version
  Nanos wait_until{0};
  uint32_t unknown_in_row = 0;
};

struct AgentCore::Impl {
  explicit Impl(AgentConfig c);

  enum class Appetite : uint8_t { kNone, kClaim, kSteal };

  // agent_core.cc: events
  void OnEvent(const Event& event);
  void OnReply(const Reply& reply);
  void OnSynced(const OutputSynced& synced);
  void OnControl(const Control& control);
  void OnSlotHostDied();
  void Advance();
  void DriveCareful();
  void CheckFinished();
  void ArmTimer();
  void Stall(Error error);

  void Moved(HeldShard* shard, Nanos at) {
    shard->active = true;
    last_move = at;
  }
  void Given(HeldShard* shard, Nanos at) {
    Moved(shard, at);
    idle_slot = false;
  }
  bool MayRetry(uint32_t attempt) const;
  // Careful mode, drains and done shards: what the end of an attempt sets going.
  void AfterFinish(HeldShard* shard, const AttemptResult& result, bool retry);

  // agent_commit.cc: the writes of held shards
  void Drive(HeldShard* shard);
  bool WantsPut(const HeldShard& shard, bool leaving) const;
  void StartSync(HeldShard* shard);
  void SendPut(HeldShard* shard, bool leaving);
  void SendGet(HeldShard* shard);
  void WaitToGet(HeldShard* shard);
  void OnShardReply(HeldShard* shard, const Reply& reply);
  void OnPutDone(HeldShard* shard, ShardRecord body, std::string version);
  void StillWanted(HeldShard* shard);
  void Settle(HeldShard* shard, ShardRecord read, std::string version);
  void Fence(HeldShard* shard);
  uint64_t Reserve(uint64_t left) const;
  uint64_t NextHorizon(const HeldShard& shard) const;
  bool Stuck(Nanos at) const;
  bool Retreats(const HeldShard& shard) const;
  bool Spares(const HeldShard& shard) const;
  bool WantsRaise(const HeldShard& shard) const;
  bool WantsLower(const HeldShard& shard) const;

  // agent_search.cc: claim, take-over, split
  Appetite CurrentAppetite() const;
  void DriveSearch();
  bool NextTarget(Appetite appetite);
  bool TakeUnknownRoot(bool own_only);
  std::optional<uint64_t> BestKnown() const;
  void SearchGet(uint64_t lo, uint64_t hi);
  void SearchCreate(uint64_t lo, uint64_t hi, Call::Step step = Call::Step::kOther);
  void SearchWait();
  void OnSearchReply(const Reply& reply);
  void OnSearchRead(ShardRecord read, std::string version);
  void TryTakeOver(ShardRecord read, std::string version);
  bool TrySteal(const ShardRecord& read, const std::string& version);
  bool MayTakeOver(const ShardRecord& read) const;
  bool Suspicious(const ShardRecord& read);
  bool WorthStealing(const ShardRecord& read) const;
  bool Patient() const;
  void Acquire(ShardRecord record, std::string version);
  void Learn(const ShardRecord& record);
  Result<ShardRecord> Decode(const Reply& reply, uint64_t lo) const;

  // agent_lease.cc: our signs of life, and those of others
  void DriveLease();
  void OnLeaseReply(const Reply& reply);
  void Acknowledged(Nanos sent_at);
  bool MayStart(Nanos at) const;
  void SearchGetLease(ShardRecord read, std::string version);
  void OnHolderLease(const Reply& reply);
  Nanos Patience() const;

  // shared
  uint64_t Send(Call::Op op, uint64_t lo, const std::string& version, const ShardRecord* record,
                Call::Step step = Call::Step::kOther);
  WriteId FreshWriteId();
  HeldShard* Find(uint64_t lo);
  bool Mine(const ShardRecord& record) const {
    return record.holder == config.holder && record.incarnation == config.incarnation;
  }
  bool Stopping() const { return control.mode != Control::Mode::kRun; }
  size_t Running() const;
  uint64_t Unstarted() const;
  Nanos BackoffFor(uint32_t failures);
  Nanos Jittered(Nanos time);

  AgentConfig config;
  Rng rng;
  RateMeter rate;
  Control control;
  std::vector<HeldShard> held;
  std::vector<std::pair<uint64_t, uint64_t>> suspects;  // (lo, mini-batch): careful mode
  Search search;
  OwnLease lease;
  Nanos last_sign{0};                      // when the last acknowledged write was sent
  bool muted = false;                      // nothing was given out because that is too long ago
  std::map<std::string, Sighting> leases;  // by holder
  std::map<uint64_t, KnownShard> known;
  std::vector<uint64_t> unknown_roots;  // indices; our own is last
  uint64_t round = 1;
  uint32_t visits = 0;  // shards looked at in this round
  uint32_t idle_rounds = 0;
  Nanos next_search{0};
  bool sealed_seen = false;

  bool started = false;
  bool over = false;       // Finished or Stalled was said
  bool attention = false;  // Poll has something to do
  bool announce = false;   // WorkAvailable is due
  bool hungry = true;      // somebody asked and got less
  bool idle_slot = true;   // a slot that is ready has nothing to do
  uint64_t next_call = 1;
  uint64_t write_counter = 0;
  double latency_ns = 2e6;  // of a put, from send to answer
  Nanos tick_at{0};
  Nanos last_move{0};  // when something was last given out or finished
  std::optional<Nanos> armed;

  // Only while a call into AgentCore lasts.
  Nanos now{0};
  std::vector<Effect>* out = nullptr;
};

}  // namespace pj::ledger
