// The search for work: claim by create, take-over, split (rules 1, 5, 7). One request at a time.
#include <algorithm>
#include <utility>

#include "ledger/agent_impl.h"
#include "ledger/plants.h"

namespace pj::ledger {
namespace {

constexpr double kAheadNanos = 50e6;  // claims are requested when less work than this is unstarted
constexpr double kStealNanos = 5e6;   // splits disturb a victim: only when about to run dry
constexpr uint32_t kPatientRounds = 3;
constexpr uint32_t kClusterVisits = 4;  // shards looked at in one round outside a local run
constexpr uint32_t kBarrenLimit = 3;    // rule 9
constexpr size_t kMaxTickets = 1024;    // a shard is not split more often

}  // namespace

// --- What to look for
// -----------------------------------------------------------------------------

AgentCore::Impl::Appetite AgentCore::Impl::CurrentAppetite() const {
  if (Stopping() || sealed_seen || over || !suspects.empty()) return Appetite::kNone;
  const uint64_t unstarted = Unstarted();
  if (unstarted == 0 && (hungry || Running() == 0)) return Appetite::kSteal;
  if (!rate.Known()) return Appetite::kNone;
  const double each = rate.Mean();
  const double work = each * static_cast<double>(unstarted);
  if (each > kAheadNanos || work > kAheadNanos) return Appetite::kNone;
  if (config.local && each < kStealNanos && work < std::max(kStealNanos, 2 * latency_ns)) {
    return Appetite::kSteal;
  }
  return Appetite::kClaim;
}

void AgentCore::Impl::DriveSearch() {
  if (search.step == Search::Step::kWaitGet && now >= search.wait_until) {
    SearchGet(search.lo, search.hi);
  }
  if (search.step != Search::Step::kNone) return;
  const Appetite appetite = CurrentAppetite();
  if (appetite == Appetite::kNone || (appetite == Appetite::kSteal && now < next_search)) return;
  if (NextTarget(appetite) || appetite == Appetite::kClaim) return;
  // Everything was looked at and nothing found: look again later, and then at all of it.
  ++round;
  visits = 0;
  const Nanos longest = std::max<Nanos>(control.tick, Millis(1));
  const Nanos pause = config.local ? longest / 16 * (1 << std::min(idle_rounds, 2U)) : longest;
  ++idle_rounds;
  next_search = now + Jittered(pause);
}

bool AgentCore::Impl::NextTarget(Appetite appetite) {
  if (TakeUnknownRoot(/*own_only=*/true)) return true;
  for (const auto& [lo, shard] : known) {
    if (!shard.unseen || shard.round == round) continue;
    known[lo].round = round;
    SearchGet(lo, shard.hi);
    return true;
  }
  if (TakeUnknownRoot(/*own_only=*/false)) return true;
  if (appetite != Appetite::kSteal) return false;
  for (const uint64_t lo : control.hints) {
    // A shard that somebody split off, and that nobody told us of.
    if (known.contains(lo) || lo >= config.mini_batches) continue;
    known[lo] = {.unseen = true, .round = round};
    SearchGet(lo, 0);
    return true;
  }
  if (!config.local && visits >= kClusterVisits) return false;
  const std::optional<uint64_t> best = BestKnown();
  if (!best) return false;
  ++visits;
  known[*best].round = round;
  SearchGet(*best, known[*best].hi);
  return true;
}

bool AgentCore::Impl::TakeUnknownRoot(bool own_only) {
  if (unknown_roots.empty()) return false;
  const bool own = unknown_roots.back() == config.ordinal;
  if (own_only && !own) return false;
  if (!own) std::swap(unknown_roots[rng.Below(unknown_roots.size())], unknown_roots.back());
  const uint64_t root = unknown_roots.back();
  unknown_roots.pop_back();
  const uint64_t lo = RootBegin(config.mini_batches, config.roots, root);
  const uint64_t hi = RootBegin(config.mini_batches, config.roots, root + 1);
  if (known.contains(lo)) return TakeUnknownRoot(own_only);
  if (own || config.local) {
    SearchCreate(lo, hi);
  } else {
    SearchGet(lo, hi);
  }
  return true;
}

// The controller's hints first, then whoever seemed to have most beyond its horizon; outside a
// local run any of them, so that thousands of agents do not all turn to the same one.
std::optional<uint64_t> AgentCore::Impl::BestKnown() const {
  const auto open = [this](uint64_t lo, const KnownShard& shard) {
    if (shard.finished || shard.round == round) return false;
    return std::none_of(held.begin(), held.end(),
                        [lo](const HeldShard& h) { return h.committed.lo == lo; });
  };
  for (const uint64_t lo : control.hints) {
    const auto it = known.find(lo);
    if (it != known.end() && !it->second.unseen && open(lo, it->second)) return lo;
  }
  std::optional<uint64_t> best;
  uint64_t most = 0;
  uint64_t weigh = write_counter * 0x9E3779B97F4A7C15ULL + config.seed + round;
  for (const auto& [lo, shard] : known) {
    if (!open(lo, shard)) continue;
    weigh = weigh * 6364136223846793005ULL + 1442695040888963407ULL;
    const uint64_t weight =
        config.local ? shard.hi - std::min(shard.hi, shard.horizon) : weigh >> 33;
    if (!best || weight > most) {
      best = lo;
      most = weight;
    }
  }
  return best;
}

// --- Requests
// -------------------------------------------------------------------------------------

void AgentCore::Impl::SearchGet(uint64_t lo, uint64_t hi) {
  search.step = Search::Step::kGet;
  search.lo = lo;
  search.hi = hi;
  search.call = Send(Call::Op::kGet, lo, {}, nullptr);
}

void AgentCore::Impl::SearchCreate(uint64_t lo, uint64_t hi, Call::Step step) {
  ShardRecord record;
  record.job = config.identity;
  record.lo = lo;
  record.hi = Planted(Plant::kChildWholeRange) ? hi + 1 : hi;
  record.holder = config.holder;
  record.incarnation = config.incarnation;
  record.write_id = FreshWriteId();
  record.low_water = lo;
  record.horizon = lo + std::min(hi - lo, Reserve(hi - lo));
  search.step = Search::Step::kCreate;
  search.lo = lo;
  search.hi = hi;
  search.call = Send(Call::Op::kCreate, lo, {}, &record, step);
  search.record = std::move(record);
}

void AgentCore::Impl::SearchWait() {
  search.wait_until = now + BackoffFor(search.unknown_in_row++);
  search.step = Search::Step::kWaitGet;
}

void AgentCore::Impl::TryTakeOver(ShardRecord read, std::string version) {
  const bool lost = !config.local && !read.holder.empty();
  if (lost && !read.alone.empty() && read.barren_epochs >= kBarrenLimit) {
    // Named before it ran, after three barren epochs, and its agent is dead again: that charges it.
    // The last attempt is repeated rather than failed, because a terminal one needs its index
    // entry.
    const Alone& alone = read.alone.front();
    const auto most = static_cast<uint32_t>(std::min<int64_t>(config.max_retries, UINT32_MAX));
    if (alone.attempt <= most) read.attempts[alone.mini_batch] = alone.attempt;
  }
  if (lost) ++read.barren_epochs;
  read.holder = config.holder;
  read.incarnation = config.incarnation;
  if (!Planted(Plant::kTakeOverSameEpoch)) ++read.epoch;
  read.write_id = FreshWriteId();
  if (Planted(Plant::kOutputForgotten)) read.outputs.clear();
  if (Planted(Plant::kAttemptsForgotten)) read.attempts.clear();
  if (Planted(Plant::kTakeOverForgetsFailed)) read.failed.Clear();
  if (Planted(Plant::kTakeOverForgetsDone)) read.done_above.Clear();
  const bool careful = !read.alone.empty() || (lost && read.barren_epochs >= kBarrenLimit);
  // Not below what earlier epochs did or were charged for.
  uint64_t touched =
      read.done_above.empty() ? read.low_water : read.done_above.ranges().rbegin()->second;
  if (!read.attempts.empty()) touched = std::max(touched, read.attempts.rbegin()->first + 1);
  const uint64_t fresh = read.low_water + Reserve(read.hi - read.low_water);
  // In careful mode the suspects are what lay below the old horizon: it stays.
  read.horizon = careful ? read.horizon : std::min(read.hi, std::max(touched, fresh));
  search.step = Search::Step::kTakeOver;
  if (lost && Planted(Plant::kLeaseTrusted)) version.clear();
  search.call = Send(Call::Op::kPut, read.lo, version, &read, Call::Step::kTakeOver);
  search.record = std::move(read);
}

bool AgentCore::Impl::TrySteal(const ShardRecord& read, const std::string& version) {
  const uint64_t from = Planted(Plant::kSplitBelowHorizon) ? read.low_water : read.horizon;
  const uint64_t mid = read.hi - (read.hi - from + 1) / 2;
  ShardRecord body = read;
  if (!Planted(Plant::kSplitWithoutTicket)) body.tickets.push_back({mid, read.hi});
  body.hi = mid;
  body.horizon = std::min(body.horizon, mid);
  body.write_id = FreshWriteId();
  search.step = Search::Step::kSteal;
  search.call = Send(Call::Op::kPut, read.lo, version, &body, Call::Step::kSplit);
  search.record = std::move(body);
  return true;
}

// --- Answers
// --------------------------------------------------------------------------------------

void AgentCore::Impl::OnSearchReply(const Reply& reply) {
  using Outcome = Reply::Outcome;
  const Search::Step step = search.step;
  const bool claim = step == Search::Step::kCreate || step == Search::Step::kTakeOver;
  search.step = Search::Step::kNone;
  if (reply.outcome == Outcome::kRejected) {
    return Stall({Code::kForbidden, "the ledger refused a request: " + reply.message,
                  ShardName(config.job, config.identity, search.lo), ""});
  }
  if (reply.outcome == Outcome::kUnknown) {
    return SearchWait();
  }
  search.unknown_in_row = 0;
  if (step == Search::Step::kGetLease) return OnHolderLease(reply);
  if (step == Search::Step::kGet) {
    if (reply.outcome == Outcome::kNotFound) {
      const auto it = known.find(search.lo);
      if (it != known.end() && !it->second.unseen) {
        return Stall({Code::kCorrupt, "LedgerCorrupt: a shard was deleted",
                      ShardName(config.job, config.identity, search.lo),
                      "start the job anew; its output so far is in the segments"});
      }
      if (search.hi == 0) {
        known.erase(search.lo);
        std::erase(control.hints, search.lo);  // it was wrong: not to be followed again
      } else if (!Stopping() && !sealed_seen) {
        SearchCreate(search.lo, search.hi);
      } else {
        // Not forgotten: a drain may end before this agent does.
        known.try_emplace(search.lo, KnownShard{.hi = search.hi, .unseen = true});
      }
      return;
    }
    auto read = Decode(reply, search.lo);
    if (!read) return Stall(std::move(read).error());
    return OnSearchRead(std::move(*read), reply.version);
  }
  if (reply.outcome != Outcome::kOk) return SearchGet(search.lo, search.hi);
  if (claim) return Acquire(std::move(search.record), reply.version);
  // A split: the ticket stands, now the child.
  Learn(search.record);
  const uint64_t end = search.record.tickets.empty() ? search.hi : search.record.tickets.back().end;
  if (!Stopping()) SearchCreate(search.record.hi, end, Call::Step::kChild);
}

void AgentCore::Impl::OnSearchRead(ShardRecord read, std::string version) {
  Learn(read);
  if (read.sealed || read.Left() == 0) return;
  if (Mine(read)) {
    // A claim of ours whose answer was lost.
    if (Find(read.lo) == nullptr) Acquire(std::move(read), std::move(version));
    return;
  }
  if (Stopping()) return;
  if (MayTakeOver(read)) return TryTakeOver(std::move(read), std::move(version));
  const bool silent = Suspicious(read);
  if (CurrentAppetite() != Appetite::kSteal) return;
  if (WorthStealing(read)) {
    TrySteal(read, version);
  } else if (silent) {
    SearchGetLease(std::move(read), std::move(version));
  }
}

bool AgentCore::Impl::MayTakeOver(const ShardRecord& read) const {
  if (read.holder.empty()) return true;
  if (read.incarnation == config.incarnation) return false;
  // Locally one program at a time holds the folder's lock, and all its agents share one
  // incarnation: another incarnation is dead. In a cluster only our own former self is known to be.
  return config.local || read.holder == config.holder;
}

// Idle for so long that it takes anything: whoever holds it is slower than we have ever been.
bool AgentCore::Impl::Patient() const { return idle_rounds >= kPatientRounds; }

bool AgentCore::Impl::WorthStealing(const ShardRecord& read) const {
  if (Planted(Plant::kSplitBelowHorizon)) return read.hi - read.low_water >= 2;
  const uint64_t loot = (read.hi - read.horizon + 1) / 2;
  // A shard keeps its first mini-batch, whose number is its name.
  if (loot == 0 || loot == read.hi - read.lo || read.tickets.size() >= kMaxTickets) return false;
  if (!rate.Known() || Patient()) return true;
  return static_cast<double>(loot) * rate.Mean() >= 2 * latency_ns || loot >= 2 * config.slots;
}

void AgentCore::Impl::Acquire(ShardRecord record, std::string version) {
  search.step = Search::Step::kNone;
  hungry = false;
  idle_rounds = 0;
  next_search = now;
  Learn(record);
  HeldShard shard(std::move(record), std::move(version));
  const ShardRecord& committed = shard.committed;
  std::vector<uint64_t> careful;
  for (const Alone& alone : committed.alone) careful.push_back(alone.mini_batch);
  if (committed.barren_epochs >= kBarrenLimit) {
    careful = shard.OpenIn(committed.lo, committed.horizon);
  }
  for (const uint64_t mini_batch : careful) {
    if (mini_batch >= committed.horizon || committed.IsDone(mini_batch)) continue;
    shard.SetAside(mini_batch);
    suspects.emplace_back(committed.lo, mini_batch);
    if (!committed.alone.empty()) shard.alone = committed.alone.front();
  }
  out->push_back(OpenSegment{committed.lo, committed.epoch, std::nullopt});
  held.push_back(std::move(shard));
  announce = true;
}

// --- Knowledge
// ------------------------------------------------------------------------------------

void AgentCore::Impl::Learn(const ShardRecord& record) {
  KnownShard& shard = known[record.lo];
  shard.hi = record.hi;
  shard.horizon = record.horizon;
  shard.unseen = false;
  shard.finished = record.Left() == 0 || record.sealed;
  if (record.sealed && record.Left() > 0) sealed_seen = true;
  if (Planted(Plant::kIgnoreTickets)) return;
  for (const SplitTicket& ticket : record.tickets) {
    known.try_emplace(ticket.mid, KnownShard{.hi = ticket.end, .unseen = true});
  }
}

Result<ShardRecord> AgentCore::Impl::Decode(const Reply& reply, uint64_t lo) const {
  const std::string name = ShardName(config.job, config.identity, lo);
  auto record = DecodeShard(reply.record);
  if (!record) {
    Error error = std::move(record).error();
    error.where = name;
    return std::unexpected(std::move(error));
  }
  if (record->job != config.identity || record->lo != lo) {
    return Fail(Code::kCorrupt, "LedgerCorrupt: a record of another job or shard", name);
  }
  return record;
}

}  // namespace pj::ledger
