#include "cli/local_controller.h"

#include <algorithm>

#include "base/log.h"

namespace pj::cli {
namespace {

constexpr int kIdleTicks = 2;  // seen twice in a row, it is no moment between two mini-batches
constexpr size_t kMostAsked = 256;

}  // namespace

void LocalController::Start() {
  started_ = SystemClock().Monotonic();
  thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
}

void LocalController::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void LocalController::Drain() {
  {
    const std::lock_guard lock(mutex_);
    drain_wanted_ = true;
  }
  wake_.notify_all();
}

std::optional<policy::Verdict> LocalController::Failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<Error> LocalController::StoreError() const {
  const std::lock_guard lock(mutex_);
  return store_error_;
}

void LocalController::Remember(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (!store_error_) store_error_ = error;
}

void LocalController::Send(ledger::Control::Mode mode, const std::string& reason) {
  ledger::Control control;
  control.mode = mode;
  control.reason = reason;
  control.tick = options_.tick;
  // Written before it is obeyed: a program that dies in between finds the same decision again.
  if (Status written = options_.state->store().WriteControl(control); !written)
    Remember(written.error());
  for (worker::Agent* agent : options_.agents) agent->SetControl(control);
}

// While a slot has nothing to do, instances whose slots are stuck in long calls give up what they
// cannot start. Nothing to be kept: who comes after a crash asks again.
void LocalController::AskBack(const std::vector<ledger::ShardRecord>& shards) {
  if (options_.agents.size() < 2) return;
  const bool idle =
      std::any_of(options_.agents.begin(), options_.agents.end(), [](const worker::Agent* agent) {
        return agent->Stats().slots_busy.load(std::memory_order_relaxed) <
               agent->Stats().slots_ready.load(std::memory_order_relaxed);
      });
  idle_ticks_ = idle ? idle_ticks_ + 1 : 0;
  std::vector<uint64_t> wanted;
  for (const ledger::ShardRecord& shard : shards) {
    if (idle_ticks_ < kIdleTicks || wanted.size() == kMostAsked) break;
    if (!shard.sealed && shard.Left() > 0) wanted.push_back(shard.lo);
  }
  if (wanted == asked_) return;
  asked_ = wanted;
  ledger::Control control;
  control.tick = options_.tick;
  control.retract = std::move(wanted);
  for (worker::Agent* agent : options_.agents) agent->SetControl(control);
}

void LocalController::Loop(const std::stop_token& stop) {
  policy::Watchdog watchdog(options_.thresholds, SystemClock().Monotonic());
  while (!stop.stop_requested()) {
    bool drain = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, options_.tick, [this] { return drain_wanted_ && !draining_; });
      drain = drain_wanted_ && !draining_;
      draining_ = draining_ || drain;
    }
    if (stop.stop_requested()) return;
    if (drain) Send(ledger::Control::Mode::kDrain, "interrupted");
    Tick(&watchdog, SystemClock().Monotonic());
  }
}

void LocalController::Tick(policy::Watchdog* watchdog, Nanos now) {
  if (Failure()) return;
  Result<std::vector<ledger::ShardRecord>> shards = options_.state->ListShards();
  if (!shards) {
    Remember(shards.error());
    return;
  }
  bool ready = false;
  bool paused = draining_;
  uint64_t started = 0;
  for (const worker::Agent* agent : options_.agents) {
    ready = ready || agent->Stats().environment_ready.load(std::memory_order_relaxed);
    paused = paused || agent->Stats().initialising.load(std::memory_order_relaxed);
    started += agent->Stats().started.load(std::memory_order_relaxed);
  }
  policy::Sums sums = policy::Sum(*shards, options_.mini_batches);
  sums.anything_started = sums.anything_started || started > 0;
  policy::Verdict verdict = watchdog->Judge(sums, ready, paused, now);
  if (verdict.state == policy::JobState::kRunning) {
    verdict = policy::JudgeDeadline(now - started_, options_.deadline);
  }
  if (verdict.state != policy::JobState::kFailed) {
    if (!draining_) AskBack(*shards);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    failure_ = verdict;
  }
  Send(ledger::Control::Mode::kAbort, policy::AbortReason(verdict));
}

}  // namespace pj::cli
