// AgentCore: events in, effects out. Commits are in agent_commit.cc, the search for work in
// agent_search.cc.
#include "ledger/agent_core.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "ledger/agent_impl.h"
#include "ledger/error_groups.h"
#include "ledger/plants.h"

namespace pj::ledger {
namespace {

bool NeedsFreshProcess(AttemptStatus status, bool next_is_last) {
  switch (status) {
    case AttemptStatus::kRunTimeout:
    case AttemptStatus::kLoadTimeout:
    case AttemptStatus::kProcessDied:
      return true;
    case AttemptStatus::kRunShort:
      return false;
    default:
      return next_is_last;
  }
}

void CountTerminal(const AttemptResult& result, Counters* counters) {
  if (result.status == AttemptStatus::kRunDone) {
    counters->items_ok += result.items_total;
    return;
  }
  if (!Planted(Plant::kFailedNotCounted)) ++counters->mini_batches_failed;
  const uint64_t ok =
      result.status == AttemptStatus::kRunShort ? std::min(result.items_ok, result.items_total) : 0;
  counters->items_ok += ok;
  counters->items_failed += result.items_total - ok;
}

void CountError(const AttemptResult& result, std::vector<ErrorGroup>* errors) {
  MergeErrorGroup({.hash = result.error_hash,
                   .count = 1,
                   .first_ids = {result.mini_batch},
                   .text = result.error_text,
                   .log = result.error_log},
                  limits::kErrorGroups, errors);
}

}  // namespace

std::string_view AttemptStatusName(AttemptStatus status) {
  switch (status) {
    case AttemptStatus::kRunDone:
      return "RUN_DONE";
    case AttemptStatus::kRunException:
      return "RUN_EXCEPTION";
    case AttemptStatus::kRunTimeout:
      return "RUN_TIMEOUT";
    case AttemptStatus::kRunShort:
      return "RUN_SHORT";
    case AttemptStatus::kLoadTimeout:
      return "LOAD_TIMEOUT";
    case AttemptStatus::kLoadException:
      return "LOAD_EXCEPTION";
    case AttemptStatus::kProcessDied:
      return "PROCESS_DIED";
  }
  return "UNKNOWN";
}

// --- Impl: events
// ---------------------------------------------------------------------------------

AgentCore::Impl::Impl(AgentConfig c) : config(std::move(c)), rng(config.seed) {
  control.tick = config.tick;
  const uint64_t own = config.ordinal;
  for (uint64_t i = 0; i < config.roots; ++i) {
    if (i != own) unknown_roots.push_back(i);
  }
  if (own < config.roots) unknown_roots.push_back(own);
}

void AgentCore::Impl::OnEvent(const Event& event) {
  if (std::holds_alternative<Started>(event)) {
    started = true;
    last_sign = now;
    lease.due = !config.local;
    tick_at = now + Jittered(control.tick);
  } else if (const auto* reply = std::get_if<Reply>(&event)) {
    OnReply(*reply);
  } else if (const auto* synced = std::get_if<OutputSynced>(&event)) {
    OnSynced(*synced);
  } else if (const auto* change = std::get_if<ControlChanged>(&event)) {
    OnControl(change->control);
  } else if (std::holds_alternative<SlotHostDied>(event)) {
    OnSlotHostDied();
  } else if (std::holds_alternative<CommitWanted>(event)) {
    for (HeldShard& shard : held) shard.tick_due = shard.tick_due || shard.unsynced;
  } else {
    armed.reset();
  }
}

void AgentCore::Impl::OnReply(const Reply& reply) {
  for (HeldShard& shard : held) {
    const bool waits =
        shard.write == HeldShard::Write::kPut || shard.write == HeldShard::Write::kGet;
    if (waits && shard.call == reply.id) return OnShardReply(&shard, reply);
  }
  if (lease.step != OwnLease::Step::kNone && lease.call == reply.id) return OnLeaseReply(reply);
  if (search.step != Search::Step::kNone && search.call == reply.id) OnSearchReply(reply);
}

void AgentCore::Impl::OnSynced(const OutputSynced& synced) {
  HeldShard* shard = Find(synced.lo);
  if (shard == nullptr || !shard->frozen || shard->frozen->synced) return;
  if (Planted(Plant::kCommitBeforeSync)) shard->frozen = shard->Freeze();
  shard->frozen->mark = synced.mark;
  shard->frozen->synced = true;
}

void AgentCore::Impl::OnControl(const Control& change) {
  control = change;
  if (control.mode == Control::Mode::kAbort) {
    // Running calls are killed by whoever runs them; what they still report is stale.
    for (HeldShard& shard : held) shard.WithdrawRunning();
  }
  for (const uint64_t lo : control.retract) {
    if (HeldShard* shard = Find(lo)) shard->retract = true;
  }
}

void AgentCore::Impl::OnSlotHostDied() {
  for (HeldShard& shard : held) {
    for (const uint64_t mini_batch : shard.WithdrawRunning()) {
      const std::pair suspect(shard.committed.lo, mini_batch);
      if (std::find(suspects.begin(), suspects.end(), suspect) == suspects.end()) {
        suspects.push_back(suspect);
      }
      if (Planted(Plant::kLossCharged)) shard.charged[mini_batch] = {shard.AttemptOf(mini_batch)};
      ++shard.counters.infrastructure_losses;
      shard.unsynced = true;
    }
  }
}

void AgentCore::Impl::Advance() {
  attention = false;
  if (!started || over) return;
  if (now >= tick_at) {
    tick_at = now + Jittered(control.tick);
    lease.due = !config.local;
    for (HeldShard& shard : held) {
      shard.tick_due = true;
      ++shard.quiet_ticks;
    }
  }
  DriveCareful();
  for (HeldShard& shard : held) {
    if (!over) Drive(&shard);
  }
  if (!over) DriveLease();
  if (!over) DriveSearch();
  if (!over) CheckFinished();
  if (over) return;
  if (announce && !Stopping()) out->push_back(WorkAvailable{});
  announce = false;
  ArmTimer();
}

// Rule 9: one suspect at a time, and only after its name stands in the ledger.
void AgentCore::Impl::DriveCareful() {
  while (!suspects.empty() && !Stopping() && Running() == 0) {
    const auto [lo, mini_batch] = suspects.front();
    HeldShard* shard = Find(lo);
    if (shard == nullptr || mini_batch >= shard->committed.hi ||
        !HeldShard::IsOpen(shard->states[mini_batch - lo])) {
      if (shard != nullptr) shard->alone.reset();
      suspects.erase(suspects.begin());
      announce = true;
      continue;
    }
    shard->alone = Alone{mini_batch, shard->AttemptOf(mini_batch)};
    return;
  }
}

void AgentCore::Impl::CheckFinished() {
  const bool quiet = held.empty() && search.step == Search::Step::kNone;
  if (Stopping() && quiet) {
    over = true;
    out->push_back(Finished{control.mode == Control::Mode::kDrain ? Finished::Why::kDrained
                                                                  : Finished::Why::kAborted});
    return;
  }
  if (!quiet) return;
  if (sealed_seen) {
    over = true;
    out->push_back(Finished{Finished::Why::kAborted});
    return;
  }
  bool complete = unknown_roots.empty();
  for (const auto& [lo, shard] : known) complete = complete && shard.finished;
  if (Planted(Plant::kCompleteEarly) && !known.empty()) complete = true;
  if (!complete) return;
  over = true;
  out->push_back(Finished{Finished::Why::kComplete});
}

void AgentCore::Impl::ArmTimer() {
  std::optional<Nanos> wake;
  const auto consider = [&wake](Nanos at) { wake = wake ? std::min(*wake, at) : at; };
  if (!held.empty() || !config.local) consider(tick_at);
  for (const HeldShard& shard : held) {
    if (shard.write == HeldShard::Write::kWaitGet) consider(shard.wait_until);
  }
  if (search.step == Search::Step::kWaitGet) consider(search.wait_until);
  if (search.step == Search::Step::kNone && CurrentAppetite() == Appetite::kSteal) {
    consider(next_search);
  }
  if (!wake || (armed && *armed == *wake)) return;
  armed = wake;
  out->push_back(SetTimer{*wake});
}

bool AgentCore::Impl::MayRetry(uint32_t attempt) const {
  return attempt <= config.max_retries + (Planted(Plant::kRetriesUnlimited) ? 1 : 0);
}

void AgentCore::Impl::AfterFinish(HeldShard* shard, const AttemptResult& result, bool retry) {
  if (!suspects.empty()) {
    // One that killed its process while alone stays alone in its next attempt.
    const std::pair suspect(shard->committed.lo, result.mini_batch);
    const bool deadly = retry && result.status == AttemptStatus::kProcessDied;
    if (!deadly) {
      std::erase(suspects, suspect);
      shard->alone.reset();
    }
    announce = attention = true;
  }
  if (retry) announce = attention = true;
  if (shard->AllDone() || (Stopping() && shard->running == 0)) attention = true;
}

void AgentCore::Impl::Stall(Error error) {
  if (over) return;
  over = true;
  out->push_back(Stalled{std::move(error)});
}

uint64_t AgentCore::Impl::Send(Call::Op op, uint64_t lo, const std::string& version,
                               const ShardRecord* record, Call::Step step) {
  Call call{.id = next_call++,
            .op = op,
            .name = ShardName(config.job, config.identity, lo),
            .version = version,
            .record = {},
            .step = step};
  if (record != nullptr) {
    call.record = EncodeShard(*record);
    if (call.record.size() > limits::kShardRecordBytes) {
      Stall({Code::kTooLarge, "a shard record grew over its limit", call.name, ""});
      return call.id;
    }
  }
  out->push_back(call);
  return call.id;
}

WriteId AgentCore::Impl::FreshWriteId() {
  if (Planted(Plant::kWriteIdReused)) return {"x", 1};
  return {config.incarnation + "." + config.holder, ++write_counter};
}

HeldShard* AgentCore::Impl::Find(uint64_t lo) {
  for (HeldShard& shard : held) {
    if (shard.committed.lo == lo) return &shard;
  }
  return nullptr;
}

size_t AgentCore::Impl::Running() const {
  size_t running = 0;
  for (const HeldShard& shard : held) running += shard.running;
  return running;
}

uint64_t AgentCore::Impl::Unstarted() const {
  uint64_t count = 0;
  for (const HeldShard& shard : held) count += shard.Unstarted();
  return count;
}

Nanos AgentCore::Impl::BackoffFor(uint32_t failures) {
  const Nanos bound = std::min<Nanos>(Millis(5) * (1 << std::min(failures, 12U)), Seconds(5));
  return bound / 2 +
         Nanos(static_cast<int64_t>(rng.Below(static_cast<uint64_t>(bound.count() / 2) + 1)));
}

Nanos AgentCore::Impl::Jittered(Nanos time) {
  const auto tenth = static_cast<uint64_t>(time.count()) / 10;
  return time - Nanos(static_cast<int64_t>(tenth)) +
         Nanos(static_cast<int64_t>(rng.Below(2 * tenth + 1)));
}

// --- AgentCore
// ------------------------------------------------------------------------------------

AgentCore::AgentCore(AgentConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
AgentCore::AgentCore(const AgentCore& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
AgentCore& AgentCore::operator=(const AgentCore& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
AgentCore::AgentCore(AgentCore&&) noexcept = default;
AgentCore& AgentCore::operator=(AgentCore&&) noexcept = default;
AgentCore::~AgentCore() = default;

void AgentCore::Step(const Event& event, Nanos now, std::vector<Effect>* out) {
  Impl& impl = *impl_;
  if (impl.over) return;
  impl.now = now;
  impl.out = out;
  impl.rate.Advance(now, impl.Running() > 0);
  impl.OnEvent(event);
  std::erase_if(impl.held, [](const HeldShard& shard) { return shard.gone; });
  impl.Advance();
  impl.out = nullptr;
}

void AgentCore::Poll(Nanos now, std::vector<Effect>* out) {
  Impl& impl = *impl_;
  if (!impl.attention || impl.over) return;
  impl.now = now;
  impl.out = out;
  impl.rate.Advance(now, impl.Running() > 0);
  impl.Advance();
  impl.out = nullptr;
}

void AgentCore::Take(size_t max, Nanos now, std::vector<Assignment>* out) {
  Impl& impl = *impl_;
  if (max == 0 || impl.over || impl.Stopping()) return;
  impl.idle_slot = true;
  if (!impl.MayStart(now)) {
    impl.muted = true;
    return;
  }
  const size_t before = out->size();
  if (!impl.suspects.empty()) {
    HeldShard* shard = impl.Find(impl.suspects.front().first);
    const bool named = shard != nullptr && shard->Named();
    if (named && impl.Running() == 0 && !shard->Leaving()) {
      out->push_back(shard->TakeAlone(impl.config.max_retries));
      impl.Given(shard, now);
    }
    return;
  }
  impl.rate.Advance(now, impl.Running() > 0);
  for (HeldShard& shard : impl.held) {
    if (shard.Leaving()) continue;
    while (shard.HasAgain() && out->size() - before < max) {
      // What failed may well hang or die now: nothing else shall be in its frame.
      const bool singly = shard.NextAgainWasCharged();
      if (singly && out->size() > before) return;
      out->push_back(shard.TakeAgain(impl.config.max_retries));
      impl.Given(&shard, now);
      if (singly) return;
    }
    const size_t missing = max - (out->size() - before);
    if (missing == 0) break;
    if (shard.TakeFresh(missing, impl.config.max_retries == 0, out) > 0) impl.Given(&shard, now);
    if (shard.limit < shard.committed.hi && shard.Reserved() < shard.raise_below) {
      impl.attention = true;
    }
    // Said each time: an earlier mark may stand that a put, raised before it, did not answer.
    if (out->size() - before < max && shard.limit < shard.committed.hi) {
      shard.short_of_work = impl.attention = true;
    }
  }
  if (out->size() - before < max) {
    if (!impl.hungry) impl.hungry = impl.attention = true;
  } else if (impl.held.size() == 1 && impl.held[0].Unstarted() < impl.held[0].search_below) {
    impl.attention = true;
  }
}

void AgentCore::GiveBack(const Assignment& assignment, Nanos now) {
  Impl& impl = *impl_;
  HeldShard* shard = impl.Find(assignment.lo);
  if (shard == nullptr ||
      !shard->IsCurrent(assignment.mini_batch, assignment.attempt, assignment.epoch)) {
    return;
  }
  impl.rate.Advance(now, impl.Running() > 0);
  shard->PutBackUnstarted(assignment.mini_batch);
  impl.announce = impl.attention = true;
}

Verdict AgentCore::Finish(const AttemptResult& result, Nanos now) {
  Impl& impl = *impl_;
  HeldShard* shard = impl.Find(result.lo);
  const bool late_taken = Planted(Plant::kLateResultTaken) && shard != nullptr &&
                          result.mini_batch < shard->committed.hi &&
                          shard->AttemptOf(result.mini_batch) > result.attempt;
  if (shard == nullptr ||
      (!late_taken && !shard->IsCurrent(result.mini_batch, result.attempt, result.epoch))) {
    return Verdict::kStale;
  }
  impl.rate.Advance(now, true);
  impl.rate.CountFinished();
  impl.Moved(shard, now);
  shard->counters.busy_ns += static_cast<uint64_t>(result.busy.count());
  if (result.attempt > 1) ++shard->counters.retries;
  const bool good = result.status == AttemptStatus::kRunDone;
  const bool retry = !good && impl.MayRetry(result.attempt);
  if (!good) CountError(result, &shard->errors);
  if (retry) {
    const bool next_is_last = result.attempt >= impl.config.max_retries;
    shard->charged[result.mini_batch] = {result.attempt,
                                         NeedsFreshProcess(result.status, next_is_last)};
    shard->PutBack(result.mini_batch);
    shard->unsynced = true;  // its attempt record
  } else {
    if (!shard->charged.empty()) shard->charged.erase(result.mini_batch);
    shard->MarkDone(result.mini_batch);
    if (!good) shard->failed.Add(result.mini_batch);
    CountTerminal(result, &shard->counters);
  }
  impl.AfterFinish(shard, result, retry);
  if (retry) return Verdict::kRetry;
  return good ? Verdict::kSucceeded : Verdict::kFailed;
}

void AgentCore::NoteRunning(size_t running) {
  if (running == 0) return;
  for (HeldShard& shard : impl_->held) {
    if (shard.running > 0) shard.active = true;
  }
}

void AgentCore::NoteIdle(bool idle) { impl_->idle_slot = idle; }

void AgentCore::NoteState() { impl_->lease.news = !impl_->config.local; }

std::vector<const ShardRecord*> AgentCore::HeldShards() const {
  std::vector<const ShardRecord*> shards;
  for (const HeldShard& shard : impl_->held) shards.push_back(&shard.committed);
  return shards;
}

size_t AgentCore::Running() const { return impl_->Running(); }

bool AgentCore::Idle() const {
  for (const HeldShard& shard : impl_->held) {
    if (!shard.AllDone()) return false;
  }
  return true;
}

}  // namespace pj::ledger
