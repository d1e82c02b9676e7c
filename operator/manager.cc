#include "operator/manager.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "kube/leader_election.h"
#include "kube/work_queue.h"
#include "operator/cached_reader.h"
#include "operator/health_server.h"
#include "operator/lag.h"
#include "operator/metrics.h"
#include "operator/reconcile.h"

namespace pj::op {
namespace {

constexpr Millis kOwnWrites{20};  // until the caches are asked again
constexpr Millis kTurnWait{500};
// One turn causes a handful of events: the objects that it made, and what others do about them.
constexpr Millis kPause{100};

JobKey ParseKey(const std::string& text) {
  const size_t slash = text.find('/');
  return {text.substr(0, slash), text.substr(slash + 1)};
}

class Manager {
 public:
  Manager(kube::Api* api, const ManagerOptions& options)
      : options_(options),
        api_(api, &metrics_),
        turns_(static_cast<size_t>(options.workers)),
        queue_({.pause = kPause, .most_not_urgent = turns_.size() - turns_.size() / 2}),
        reconciler_({.api = &api_,
                     .reader = &reader_,
                     .job = options.job,
                     .wrote = [this](const auto& request,
                                     const auto& response) { reader_.Wrote(request, response); }}),
        reader_({.api = &api_,
                 .ns = options.watch_namespace,
                 .seed = Crc32c(options.identity) + 1ULL,
                 .changed = [this](const JobKey& key) { Changed(key); }}),
        election_(api_, {.ns = options.lease_namespace,
                         .name = kLeaderLease,
                         .identity = options.identity,
                         .seed = Crc32c(options.identity) + 2ULL}) {}

  Status Run(int stop_fd) {
    PJ_ASSIGN(const std::unique_ptr<HealthServer> health, StartHealth());
    if (options_.serving) options_.serving(health->port());
    reader_.Start();
    std::unique_ptr<kube::LeaderThread> leader;
    if (options_.leader_elect) leader = std::make_unique<kube::LeaderThread>(election_);
    std::vector<std::thread> workers;
    while (true) {
      pollfd stop{stop_fd, POLLIN, 0};
      if (::poll(&stop, 1, working_ ? 1000 : 50) > 0) break;
      if (options_.leader_elect && election_.state() == kube::LeaderState::kLost) {
        // A turn may hang in a request: whoever leads now must not meet its late writes.
        PJ_ERROR("the lead is lost: ending at once");
        std::_Exit(kExitLost);
      }
      if (!working_ && Leads() && reader_.Synced()) {
        PJ_INFO("reconciling, {} turns at a time", options_.workers);
        moved_ = SystemClock().Monotonic();
        lag_.Begin(moved_);
        working_ = true;
        for (std::atomic<Nanos>& since : turns_)
          workers.emplace_back([this, &since] { Work(since); });
      }
    }
    // Turns that run finish before the lease is released: two never lead at once.
    stopping_ = true;
    queue_.ShutDown();
    for (std::thread& worker : workers) worker.join();
    return {};
  }

 private:
  bool Leads() const { return !options_.leader_elect || election_.IsLeader(); }

  Result<std::unique_ptr<HealthServer>> StartHealth() {
    HealthAnswers answers;
    answers.healthy = [this] { return !Hangs() && !StandsStill(); };
    answers.ready = [this] { return reader_.Synced() && !stopping_; };
    answers.metrics = [this] {
      return metrics_.Render({.queued = queue_.Size(),
                              .delayed = queue_.Delayed(),
                              .leading = Leads(),
                              .watches = reader_.Stats(),
                              .jobs = reconciler_.Standing()});
    };
    return HealthServer::Start(options_.health_address, std::move(answers));
  }

  void Changed(const JobKey& key) {
    const std::string text = key.ToString();
    lag_.Changed(text, SystemClock().Monotonic());
    // What was there before the first turn is looked at when nothing newer waits.
    if (!working_) return queue_.AddLow(text);
    // Pods take long to start: in a burst of new jobs all get their Job before the rest is made.
    const bool fresh = !reconciler_.Knows(key) && reader_.IsNew(key);
    fresh ? queue_.AddUrgent(text) : queue_.Add(text);
  }

  // A turn that takes for ever: each of its requests has a timeout, so an API server that is away
  // is no reason.
  bool Hangs() const {
    const Nanos now = SystemClock().Monotonic();
    return std::any_of(turns_.begin(), turns_.end(), [&](const std::atomic<Nanos>& turn) {
      const Nanos since = turn;
      return since != Nanos(0) && now - since > options_.longest_turn;
    });
  }

  // Jobs wait, and no turn begins or ends: the threads are gone, or wait for something for ever.
  bool StandsStill() {
    if (!working_) return false;
    const Nanos now = SystemClock().Monotonic();
    if (!queue_.Waits()) moved_ = now;  // there is nothing to do
    return now - moved_.load() > options_.longest_turn;
  }

  // `since`: when the turn of this thread began; 0 between turns.
  void Work(std::atomic<Nanos>& since) {
    while (!stopping_) {
      const std::optional<std::string> key = queue_.Get(kTurnWait);
      if (!key) continue;
      since = moved_ = SystemClock().Monotonic();
      if (Leads()) Turn(*key);
      since = Nanos(0);
      moved_ = SystemClock().Monotonic();
      queue_.Done(*key);
    }
  }

  void Turn(const std::string& key) {
    if (!reader_.ShowsOwnWrites(ParseKey(key))) return queue_.AddAfter(key, kOwnWrites);
    const Nanos start = SystemClock().Monotonic();
    const Nanos waited = lag_.Ended(key, start);
    const bool hurry = queue_.UrgentWaits() && !reconciler_.Knows(ParseKey(key));
    const Result<Nanos> next = reconciler_.Reconcile(ParseKey(key), hurry);
    metrics_.Turned(waited, SystemClock().Monotonic() - start, next.has_value());
    if (next) {
      queue_.Forget(key);
      if (*next != kNever) queue_.AddAfter(key, *next);
      return;
    }
    const Error& error = next.error();
    const std::string uid = reconciler_.UidOf(ParseKey(key));
    const log::JobScope scope(key, uid);
    // Somebody else was quicker: the next turn sees it. No news for people.
    if (error.code == Code::kConflict || error.code == Code::kNotFound) {
      PJ_DEBUG("{}", error.ToString());
    } else {
      PJ_WARN("{}", error.ToString());
    }
    queue_.AddRateLimited(key);
  }

  const ManagerOptions& options_;
  Metrics metrics_;
  CountingApi api_;
  std::vector<std::atomic<Nanos>> turns_;  // by thread; see Work()
  std::atomic<bool> working_{false};       // the threads have been started
  std::atomic<Nanos> moved_{};             // when a turn last began or ended
  kube::WorkQueue queue_;
  Lag lag_;
  std::atomic<bool> stopping_{false};
  Reconciler reconciler_;
  CachedReader reader_;  // ends first: its threads ask the reconciler whom it knows
  kube::LeaderElection election_;
};

}  // namespace

Status RunManager(kube::Api* api, const ManagerOptions& options, int stop_fd) {
  return Manager(api, options).Run(stop_fd);
}

}  // namespace pj::op
