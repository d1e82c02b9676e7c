#include "kube/work_queue.h"

#include <algorithm>

namespace pj::kube {
namespace {

constexpr int kUrgent = -1;
constexpr int kHigh = 0;
constexpr int kLow = 1;
constexpr int kUrgentTurns = 4;  // in a row, while others wait

}  // namespace

WorkQueue::WorkQueue(WorkQueueOptions options)
    : clock_(options.clock != nullptr ? *options.clock : SystemClock()),
      first_backoff_(options.first_backoff),
      max_backoff_(options.max_backoff),
      pause_(options.pause),
      most_not_urgent_(options.most_not_urgent) {}

void WorkQueue::Add(const std::string& key) {
  std::lock_guard lock(mutex_);
  Enqueue(key, kHigh);
}

void WorkQueue::AddLow(const std::string& key) {
  std::lock_guard lock(mutex_);
  Enqueue(key, kLow);
}

void WorkQueue::AddUrgent(const std::string& key) {
  std::lock_guard lock(mutex_);
  Enqueue(key, kUrgent);
}

void WorkQueue::AddAfter(const std::string& key, Nanos delay) {
  std::lock_guard lock(mutex_);
  Delay(key, delay);
}

void WorkQueue::AddRateLimited(const std::string& key) {
  std::lock_guard lock(mutex_);
  const int failures = failures_[key]++;
  Nanos delay = first_backoff_;
  for (int i = 0; i < failures && delay < max_backoff_; ++i) delay *= 2;
  Delay(key, std::min(delay, max_backoff_));
}

void WorkQueue::Forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  failures_.erase(key);
}

int WorkQueue::Failures(const std::string& key) const {
  std::lock_guard lock(mutex_);
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

std::optional<std::string> WorkQueue::Get(Millis wait) {
  using std::chrono::steady_clock;
  const auto until = steady_clock::now() + wait;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (shut_down_) return std::nullopt;
    TakeDue();
    if (NextInOrder() != order_.end()) break;
    if (steady_clock::now() >= until) return std::nullopt;
    // A delayed key is due by the clock, which a test may move by hand.
    auto wake = until;
    if (!delayed_.empty()) {
      wake = std::min(wake, steady_clock::now() + (delayed_.begin()->first - clock_.Monotonic()));
    }
    changed_.wait_until(lock, wake);
  }
  const auto next = NextInOrder();
  const bool urgent = next->first.first == kUrgent;
  std::string key = std::move(next->second);
  order_.erase(next);
  places_.erase(key);
  urgent_turns_ = urgent ? urgent_turns_ + 1 : 0;
  if (!urgent) not_urgent_.insert(key);
  processing_.insert(key);
  return key;
}

std::map<WorkQueue::Place, std::string>::iterator WorkQueue::NextInOrder() {
  const auto first = order_.begin();
  auto other = order_.lower_bound({kHigh, 0});
  if (not_urgent_.size() >= most_not_urgent_) other = order_.end();
  const bool urgent = first != order_.end() && first->first.first == kUrgent;
  if (!urgent) return other;
  return other != order_.end() && urgent_turns_ >= kUrgentTurns ? other : first;
}

void WorkQueue::Done(const std::string& key) {
  std::lock_guard lock(mutex_);
  processing_.erase(key);
  if (not_urgent_.erase(key) > 0) changed_.notify_one();  // another one may be taken
  if (pause_ > Nanos(0)) {
    const Nanos until = clock_.Monotonic() + pause_;
    paused_[key] = until;
    pause_ends_.emplace_back(until, key);
  }
  const auto again = again_.find(key);
  if (again == again_.end()) return;
  const int priority = again->second;
  again_.erase(again);
  Enqueue(key, priority);
}

void WorkQueue::ShutDown() {
  std::lock_guard lock(mutex_);
  shut_down_ = true;
  changed_.notify_all();
}

size_t WorkQueue::Size() const {
  std::lock_guard lock(mutex_);
  return order_.size();
}

size_t WorkQueue::Delayed() const {
  std::lock_guard lock(mutex_);
  return delayed_.size();
}

bool WorkQueue::Waits() const {
  std::lock_guard lock(mutex_);
  return !order_.empty() || (!delayed_.empty() && delayed_.begin()->first <= clock_.Monotonic());
}

bool WorkQueue::UrgentWaits() const {
  std::lock_guard lock(mutex_);
  return !order_.empty() && order_.begin()->first.first == kUrgent;
}

void WorkQueue::Enqueue(const std::string& key, int priority) {
  if (shut_down_) return;
  if (processing_.contains(key)) {
    const auto [again, fresh] = again_.emplace(key, priority);
    again->second = std::min(again->second, priority);
    return;
  }
  if (const auto pause = paused_.find(key); pause != paused_.end()) {
    const Nanos left = pause->second - clock_.Monotonic();
    if (left > Nanos(0)) return Delay(key, left);
  }
  const auto waiting = places_.find(key);
  if (waiting != places_.end()) {
    if (waiting->second.first <= priority) return;
    order_.erase(waiting->second);
  }
  const Place place{priority, next_++};
  places_[key] = place;
  order_.emplace(place, key);
  changed_.notify_one();
}

void WorkQueue::Delay(const std::string& key, Nanos delay) {
  if (shut_down_) return;
  if (delay <= Nanos(0)) return Enqueue(key, kHigh);
  const Nanos at = clock_.Monotonic() + delay;
  const auto known = due_.find(key);
  if (known != due_.end()) {
    if (known->second <= at) return;
    delayed_.erase({known->second, key});
  }
  due_[key] = at;
  delayed_.emplace(at, key);
  changed_.notify_one();  // who waits may have to wake earlier
}

void WorkQueue::EndPauses(Nanos now) {
  for (; !pause_ends_.empty() && pause_ends_.front().first <= now; pause_ends_.pop_front()) {
    const auto pause = paused_.find(pause_ends_.front().second);
    if (pause != paused_.end() && pause->second <= now) paused_.erase(pause);
  }
}

void WorkQueue::TakeDue() {
  const Nanos now = clock_.Monotonic();
  EndPauses(now);
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const std::string key = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    due_.erase(key);
    Enqueue(key, kHigh);
  }
}

}  // namespace pj::kube
