#include "ledger/held_shard.h"

#include <algorithm>
#include <utility>

#include "ledger/plants.h"

namespace pj::ledger {

HeldShard::HeldShard(ShardRecord record, std::string at_version)
    : committed(std::move(record)), version(std::move(at_version)) {
  states.assign(Length(), State::kOpen);
  const auto mark = [this](uint64_t begin, uint64_t end) {
    std::fill(states.begin() + static_cast<int64_t>(begin - committed.lo),
              states.begin() + static_cast<int64_t>(end - committed.lo), State::kDone);
  };
  mark(committed.lo, committed.low_water);
  if (!Planted(Plant::kTakeOverForgetsDone)) {
    for (const auto& [begin, end] : committed.done_above.ranges()) mark(begin, end);
  }
  done = static_cast<uint64_t>(std::count(states.begin(), states.end(), State::kDone));
  next = committed.low_water;
  limit = committed.horizon;
  floor = committed.low_water;
  if (!committed.done_above.empty()) floor = committed.done_above.ranges().rbegin()->second;
  failed = committed.failed;
  counters = committed.counters;
  errors = committed.errors;
  if (Planted(Plant::kTakeOverForgetsFailed)) failed.Clear();
  if (Planted(Plant::kAttemptsForgotten)) return;
  // How the last attempt ended was not recorded: a fresh process is the safe answer.
  for (const auto& [mini_batch, count] : committed.attempts) {
    charged[mini_batch] = {count, true};
    SetAside(mini_batch);
  }
}

Assignment HeldShard::TakeAgain(int64_t max_retries) {
  const uint64_t mini_batch = again.back();
  again.pop_back();
  Assignment given{.mini_batch = mini_batch, .lo = committed.lo, .epoch = committed.epoch};
  given.attempt = AttemptOf(mini_batch);
  given.last_attempt = given.attempt > max_retries;
  const auto it = charged.find(mini_batch);
  given.fresh_process = it != charged.end() && it->second.fresh_next;
  states[mini_batch - committed.lo] = State::kRunning;
  ++running;
  return given;
}

Assignment HeldShard::TakeAlone(int64_t max_retries) {
  const uint64_t mini_batch = committed.alone.front().mini_batch;
  std::erase(again, mini_batch);
  again.push_back(mini_batch);
  Assignment given = TakeAgain(max_retries);
  given.alone = true;
  return given;
}

void HeldShard::SetAside(uint64_t mini_batch) {
  State& state = states[mini_batch - committed.lo];
  if (state != State::kOpen) return;
  state = State::kAside;
  again.insert(std::lower_bound(again.begin(), again.end(), mini_batch, std::greater<>()),
               mini_batch);
  floor = std::max(floor, mini_batch + 1);
}

void HeldShard::PutBack(uint64_t mini_batch) {
  states[mini_batch - committed.lo] = State::kOpen;
  --running;
  SetAside(mini_batch);
}

void HeldShard::PutBackUnstarted(uint64_t mini_batch) {
  if (mini_batch + 1 != next || charged.contains(mini_batch)) return PutBack(mini_batch);
  states[mini_batch - committed.lo] = State::kOpen;
  --running;
  --next;
}

std::vector<uint64_t> HeldShard::WithdrawRunning() {
  std::vector<uint64_t> taken;
  if (running == 0) return taken;
  for (uint64_t i = committed.low_water; i < committed.hi; ++i) {
    if (states[i - committed.lo] == State::kRunning) taken.push_back(i);
  }
  for (const uint64_t mini_batch : taken) PutBack(mini_batch);
  return taken;
}

std::vector<uint64_t> HeldShard::OpenIn(uint64_t from, uint64_t to) const {
  std::vector<uint64_t> open;
  for (uint64_t i = from; i < std::min(to, committed.hi); ++i) {
    if (IsOpen(states[i - committed.lo])) open.push_back(i);
  }
  return open;
}

FrozenWork HeldShard::Freeze() {
  FrozenWork work;
  // Earlier epochs may have done some above `next`, but none at or above their horizon.
  const uint64_t end = std::min(std::max(next, floor), committed.hi);
  uint64_t at = committed.low_water;
  const auto state = [this](uint64_t i) { return states[i - committed.lo]; };
  while (at < committed.hi && state(at) == State::kDone) ++at;
  work.low_water = at;
  while (at < end) {
    while (at < end && state(at) != State::kDone) ++at;
    const uint64_t begin = at;
    while (at < end && state(at) == State::kDone) ++at;
    work.done_above.Add(begin, at);
  }
  work.failed = failed;
  for (const auto& [mini_batch, charge] : charged) work.attempts[mini_batch] = charge.count;
  work.counters = counters;
  work.errors = errors;
  unsynced = false;
  return work;
}

ShardRecord HeldShard::NextBody(uint64_t horizon, WriteId id) const {
  ShardRecord body = committed;
  body.write_id = std::move(id);
  body.horizon = horizon;
  body.alone.clear();
  if (alone) body.alone.push_back(*alone);
  if (active) ++body.progress;
  if (!frozen || !frozen->synced) return body;
  const uint64_t before = body.DoneCount();
  body.low_water = frozen->low_water;
  body.done_above = frozen->done_above;
  body.failed = frozen->failed;
  body.attempts = frozen->attempts;
  body.counters = frozen->counters;
  body.errors = frozen->errors;
  if (body.DoneCount() > before) body.barren_epochs = 0;
  auto mark = std::find_if(body.outputs.begin(), body.outputs.end(), [this](const OutputMark& m) {
    return m.segment == frozen->mark.segment;
  });
  if (mark == body.outputs.end()) {
    body.outputs.push_back(frozen->mark);
  } else {
    *mark = frozen->mark;
  }
  return body;
}

void HeldShard::Committed(ShardRecord body, std::string at_version) {
  committed = std::move(body);
  version = std::move(at_version);
  limit = committed.horizon;
  if (sent_frozen) frozen.reset();
  sent_frozen = false;
  write = Write::kNone;
  unknown_in_row = 0;
  quiet_ticks = 0;
}

bool HeldShard::Merge(ShardRecord read, std::string at_version) {
  if (Planted(Plant::kMergeKeepsRange)) {
    read.hi = committed.hi;
    read.tickets = committed.tickets;
  }
  const uint64_t old_hi = committed.hi;
  committed = std::move(read);
  version = std::move(at_version);
  sent_frozen = false;
  write = Write::kNone;
  // Down at once; up only by an acknowledged write of our own: a lowering one may still be on its
  // way.
  limit = std::min(limit, std::max(committed.horizon, committed.low_water));
  if (committed.hi >= old_hi) return false;
  bool started = false;
  for (uint64_t i = committed.hi; i < std::min(old_hi, next); ++i) {
    started = started || !IsOpen(states[i - committed.lo]);
  }
  ForgetBeyond(committed.hi);
  return started;
}

void HeldShard::ForgetBeyond(uint64_t hi) {
  for (uint64_t i = hi; i < committed.lo + states.size(); ++i) {
    State& state = states[i - committed.lo];
    if (state == State::kRunning) --running;
    if (state == State::kDone) --done;
    state = State::kOpen;
  }
  states.resize(hi - committed.lo);
  next = std::min(next, hi);
  std::erase_if(again, [hi](uint64_t i) { return i >= hi; });
  std::erase_if(charged, [hi](const auto& entry) { return entry.first >= hi; });
  failed.Remove(hi, UINT64_MAX);
  if (!frozen) return;
  frozen->done_above.Remove(hi, UINT64_MAX);
  frozen->failed.Remove(hi, UINT64_MAX);
  frozen->low_water = std::min(frozen->low_water, hi);
  std::erase_if(frozen->attempts, [hi](const auto& entry) { return entry.first >= hi; });
}

}  // namespace pj::ledger
