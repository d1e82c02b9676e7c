// Feeding: who gets which mini-batches, how many to a frame, and what is taken back again.
#include "worker/dispatcher.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"

namespace pj::worker {
namespace {

// What is sent ahead saves a slot the wait for its next mini-batch, some 50 µs, and is kept from
// others, other instances too, until it is withdrawn: not worth it when one takes longer than this.
constexpr double kAheadNs = 50e6;
// A slow transport cannot give back what it was sent.
constexpr double kAheadWithoutWithdrawalNs = 20e6;
// So long may one run until others get what waits behind it.
constexpr Nanos kRecallAfter = Millis(50);
// Taking work back from another slot pays when it would wait longer than this.
constexpr double kWorthTakingNs = 300e3;
constexpr Nanos kRebalanceEvery = Millis(1);
constexpr size_t kReceiveBytes = limits::kFrameBytes + 4096;

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options)
    : options_(std::move(options)), buffer_(kReceiveBytes) {
  slots_.resize(static_cast<size_t>(options_.slots));
  for (size_t i = 0; i < slots_.size(); ++i) slots_[i].index = static_cast<int>(i);
  picked_.reserve(limits::kFrameEntries);
}

Dispatcher::~Dispatcher() = default;

bool Dispatcher::CanFeed(const Slot& slot) const {
  return slot.process && slot.process->phase == Phase::kReady && !slot.process->exclusive &&
         !slot.replace;
}

bool Dispatcher::MaySendAhead(const Slot& slot) const {
  const SlotProcess& process = *slot.process;
  const double most = process.native ? kAheadNs : kAheadWithoutWithdrawalNs;
  if (slot.average_ns <= 0 || slot.average_ns >= most || process.held_up) return false;
  const auto current = process.Look();
  const Nanos now = Now();  // what the page says is the process's word
  return !current || now - std::clamp(current->since, Nanos(0), now) < kRecallAfter;
}

void Dispatcher::Fill() {
  if (host_lost_) HandleHostLoss();
  idle_ = false;
  if (mode_ != Mode::kFeeding || failed_) return UpdateStats();
  rotation_ = (rotation_ + 1) % slots_.size();
  for (const bool ahead : {false, true}) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      Slot& slot = slots_[(rotation_ + i) % slots_.size()];
      if (!CanFeed(slot)) continue;
      const size_t live = slot.process->live();
      if (ahead ? live == 0 || live > slot.frame : live != 0) continue;
      if (ahead && !MaySendAhead(slot)) continue;
      FillSlot(&slot);
      idle_ = idle_ || (!ahead && CanFeed(slot) && slot.process->live() == 0);
    }
  }
  rebalance_at_ = Nanos::max();
  if (idle_ && fresh_waiting_.empty()) Rebalance();
  UpdateStats();
}

// True: `assignment` must not run in this slot's present process.
bool Dispatcher::NeedsOther(const Slot& slot, const ledger::Assignment& assignment) const {
  if (assignment.fresh_process) return !slot.process->Unused();
  return assignment.alone && slot.process->live() > 0;
}

size_t Dispatcher::FreshOnTheWay() const {
  size_t count = 0;
  for (const Slot& slot : slots_) {
    if (slot.retired) continue;
    const bool coming = !slot.process || slot.process->phase != Phase::kReady;
    if (coming || slot.replace || (slot.process->Unused() && !slot.process->exclusive)) ++count;
  }
  return count;
}

void Dispatcher::Replace(Slot* slot) {
  if (slot->process->live() == 0) {
    EndProcess(slot);
  } else {
    slot->replace = true;
  }
}

// Fills picked_. False: nothing for this slot now.
bool Dispatcher::PickWork(Slot* slot, size_t max) {
  picked_.clear();
  for (size_t i = 0; i < fresh_waiting_.size(); ++i) {
    if (NeedsOther(*slot, fresh_waiting_[i]) || slot->process->live() > 0) continue;
    picked_.push_back(fresh_waiting_[i]);
    fresh_waiting_.erase(fresh_waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    return true;
  }
  while (picked_.empty()) {
    if (fresh_waiting_.size() > FreshOnTheWay()) {
      Replace(slot);
      return false;
    }
    options_.sink->Take(max, &picked_);
    if (picked_.empty()) return false;
    const ledger::Assignment& first = picked_.front();
    const bool single = first.fresh_process || first.alone;
    if (!single || (slot->process->live() == 0 && !NeedsOther(*slot, first))) return true;
    fresh_waiting_.push_back(first);
    picked_.clear();
  }
  return true;
}

void Dispatcher::FillSlot(Slot* slot) {
  size_t max = std::min(slot->frame, slot->process->room());
  if (slot->frame_cap > 0) max = std::min(max, slot->frame_cap);
  if (max == 0 || !PickWork(slot, max)) return;
  Send(slot);
}

void Dispatcher::Send(Slot* slot) {
  SlotProcess& process = *slot->process;
  const bool was_idle = process.live() == 0;
  const Nanos now = Now();
  const Status sent = process.Send(picked_, *options_.plan, &frame_, now);
  if (!sent) {
    for (const ledger::Assignment& assignment : picked_) options_.sink->GiveBack(assignment);
    if (sent.error().code == Code::kGone) {
      process.phase = Phase::kClosed;
      process.deadline = now + Millis(500);
    } else if (sent.error().code != Code::kUnavailable) {
      Fail(AgentEnd::kError, "PlanUnreadable", sent.error());
    }
    return;
  }
  options_.stats->started.fetch_add(picked_.size(), std::memory_order_relaxed);
  if (process.live() > 1 && process.recall_at == Nanos::max()) {
    process.recall_at = now + kRecallAfter;
  }
  const ledger::Assignment& first = picked_.front();
  // Nothing is put behind what failed before, either.
  process.exclusive = first.fresh_process || first.alone || (was_idle && first.attempt > 1);
  const size_t bytes = frame_.Finish().size() / picked_.size();
  slot->frame_cap = std::max<size_t>(1, limits::kFrameBytes / std::max<size_t>(1, bytes));
  if (was_idle) {
    process.check_at = now + std::min(options_.timeouts.run, options_.timeouts.overhead);
  }
}

// The slot whose waiting entries would wait longest; *look_again when one may become worth it.
Dispatcher::Slot* Dispatcher::BusiestFor(Nanos now, bool* look_again) {
  Slot* best = nullptr;
  double longest = 0;
  for (Slot& slot : slots_) {
    if (!slot.process || slot.process->phase != Phase::kReady || !slot.process->native) continue;
    const size_t waiting = slot.process->Waiting();
    if (waiting == 0 || slot.process->live() < 2) continue;
    const auto current = slot.process->Look();
    const double in_run =
        current && current->state != wire::kSent
            ? static_cast<double>(std::max(Nanos(0), now - current->since).count())
            : 0;
    const double wait = std::max(in_run, static_cast<double>(waiting) * slot.average_ns);
    *look_again = true;
    if (wait < kWorthTakingNs || wait <= longest) continue;
    longest = wait;
    best = &slot;
  }
  return best;
}

// Some slot has nothing to do while others have something waiting: half of that goes back.
void Dispatcher::Rebalance() {
  const Nanos now = Now();
  bool look_again = false;
  Slot* victim = BusiestFor(now, &look_again);
  if (look_again) rebalance_at_ = now + kRebalanceEvery;
  if (victim == nullptr) return;
  picked_.clear();
  victim->process->Withdraw((victim->process->Waiting() + 1) / 2, &picked_);
  if (picked_.empty()) return;
  for (const ledger::Assignment& assignment : picked_) options_.sink->GiveBack(assignment);
  for (Slot& slot : slots_) {
    if (CanFeed(slot) && slot.process->live() == 0) FillSlot(&slot);
  }
}

// One takes unexpectedly long: what waits behind it goes to whoever can start it.
void Dispatcher::Recall(Slot* slot, Nanos now) {
  picked_.clear();
  slot->process->Recall(kRecallAfter, now, &picked_);
  for (const ledger::Assignment& assignment : picked_) options_.sink->GiveBack(assignment);
}

void Dispatcher::Drop(uint64_t lo, uint64_t from) {
  std::erase_if(fresh_waiting_, [&](const ledger::Assignment& waiting) {
    return waiting.lo == lo && waiting.mini_batch >= from;
  });
  for (Slot& slot : slots_) {
    if (!slot.process || !slot.process->Drop(lo, from)) continue;
    slot.process->excused = true;
    Kill(slot.process.get(), "its mini-batch belongs to another agent now");
  }
}

void Dispatcher::StopFeeding() {
  if (mode_ != Mode::kFeeding) return;
  mode_ = Mode::kDraining;
  for (const ledger::Assignment& waiting : fresh_waiting_) options_.sink->GiveBack(waiting);
  fresh_waiting_.clear();
  for (Slot& slot : slots_) {
    if (!slot.process || !slot.process->native) continue;
    picked_.clear();
    slot.process->Withdraw(wire::kPageEntries, &picked_);
    for (const ledger::Assignment& assignment : picked_) options_.sink->GiveBack(assignment);
  }
}

size_t Dispatcher::RunningSlots() const {
  return static_cast<size_t>(std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return slot.process && slot.process->live() > 0;
  }));
}

void Dispatcher::UpdateStats() {
  uint32_t busy = 0;
  uint32_t ready = 0;
  bool initialising = false;
  for (const Slot& slot : slots_) {
    initialising = initialising || slot.copying.valid();
    if (!slot.process) continue;
    if (slot.process->live() > 0) ++busy;
    if (slot.process->phase == Phase::kReady) ++ready;
    initialising = initialising || slot.process->phase == Phase::kInitialising;
  }
  options_.stats->slots_busy.store(busy, std::memory_order_relaxed);
  options_.stats->slots_ready.store(ready, std::memory_order_relaxed);
  options_.stats->initialising.store(initialising, std::memory_order_relaxed);
}

void Dispatcher::Fail(AgentEnd end, const std::string& reason, Error error) {
  if (failed_) return;
  failed_ = true;
  options_.sink->Fatal(end, reason, std::move(error));
}

}  // namespace pj::worker
