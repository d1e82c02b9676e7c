// WorkQueue: keys that wait for a reconcile. Bursts on one key become one turn, and no key is
// worked on twice at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/clock.h"

namespace pj::kube {

struct WorkQueueOptions {
  const Clock* clock = nullptr;  // null: SystemClock()
  Nanos first_backoff = Millis(5);
  Nanos max_backoff = Seconds(60);
  // From a key's Done() to its next turn, so that what follows from a turn is seen in one.
  Nanos pause{0};
  // At most so many keys that were not urgent are in workers' hands: the other workers are there
  // for urgent ones.
  size_t most_not_urgent = SIZE_MAX;
};

// Thread-safe. A worker's turn: Get(), work, then Forget() or AddRateLimited(), and always Done().
class WorkQueue {
 public:
  explicit WorkQueue(WorkQueueOptions options = {});

  // Queues the key behind those that wait. One in a worker's hands comes again after its Done().
  void Add(const std::string& key);
  // As Add, but only when no other key waits: for the resync at start. A later Add moves it up.
  void AddLow(const std::string& key);
  // As Add, but before all that wait; of five turns in a row one is another's all the same.
  void AddUrgent(const std::string& key);
  // As Add after `delay`; of several, the earliest counts.
  void AddAfter(const std::string& key, Nanos delay);
  // As AddAfter with the key's own back-off: first × 2ⁿ up to the maximum, n failures since
  // Forget().
  void AddRateLimited(const std::string& key);
  void Forget(const std::string& key);
  int Failures(const std::string& key) const;

  // The next key, or nothing when `wait` passed or the queue was shut down.
  std::optional<std::string> Get(Millis wait);
  void Done(const std::string& key);

  // Lets every Get return; what still waits is dropped.
  void ShutDown();
  // Keys that wait for a worker now, delayed ones not among them.
  size_t Size() const;
  size_t Delayed() const;
  // A key waits for a worker now, or its delay is over.
  bool Waits() const;
  // One that is urgent waits for a worker now.
  bool UrgentWaits() const;

 private:
  // Position in the order of turns: urgent (-1) before high priority (0) before low (1), then first
  // come.
  using Place = std::pair<int, uint64_t>;

  void Enqueue(const std::string& key, int priority);
  void Delay(const std::string& key, Nanos delay);
  void TakeDue();
  void EndPauses(Nanos now);
  // Of the keys that may be taken now; end() if there is none.
  std::map<Place, std::string>::iterator NextInOrder();

  const Clock& clock_;
  const Nanos first_backoff_;
  const Nanos max_backoff_;
  const Nanos pause_;
  const size_t most_not_urgent_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Place, std::string> order_;
  std::unordered_map<std::string, Place> places_;  // of the keys in order_
  std::unordered_set<std::string> processing_;
  std::unordered_set<std::string> not_urgent_;  // of the keys in processing_
  std::unordered_map<std::string, int> again_;  // priority of keys changed while processing
  std::set<std::pair<Nanos, std::string>> delayed_;
  std::unordered_map<std::string, Nanos> due_;  // of the keys in delayed_
  std::unordered_map<std::string, int> failures_;
  std::unordered_map<std::string, Nanos> paused_;         // until when
  std::deque<std::pair<Nanos, std::string>> pause_ends_;  // the same, in the order of their ends
  uint64_t next_ = 0;
  int urgent_turns_ = 0;  // in a row
  bool shut_down_ = false;
};

}  // namespace pj::kube
