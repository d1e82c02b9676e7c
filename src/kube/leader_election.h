// LeaderElection: of several processes one leads, agreed on by a Lease, as Kubernetes' own
// controllers do it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/rng.h"
#include "kube/api.h"
#include "kube/objects.h"

namespace pj::kube {

struct LeaderOptions {
  std::string ns = {};
  std::string name = {};
  std::string identity = {};     // different in each process, after a restart too
  const Clock* clock = nullptr;  // null: SystemClock()
  uint64_t seed = 1;
  Seconds lease{15};  // others wait so long after the last change that they saw
  Seconds renew{10};  // we lead no longer than this without a renewal
  Seconds retry{2};
  Meta meta = {};             // labels and owner of the Lease, should we be the one who makes it
  std::string note_key = {};  // the annotation of SetNote(); empty: annotations are not ours
};

// How long the holder has not renewed the Lease, if that is longer than it may: twice the Lease's
// duration, because clocks of machines differ. Nothing if nobody holds it or it has no time.
std::optional<Nanos> SilentFor(const Lease& lease, const Clock& clock);

enum class LeaderState { kWaiting, kLeading, kLost };

// Step by one thread, the rest by any. Expiry is judged by when we saw the Lease change, on our own
// monotonic clock: what other machines' clocks say does not matter. Losing is final: whoever led
// must end, for work may be half done.
class LeaderElection {
 public:
  LeaderElection(Api& api, LeaderOptions options);

  // Tries to lead, or to go on leading, when that is due; waits for it at most `wait`.
  void Step(Millis wait);
  // kLost as soon as the time is over, even while a request hangs.
  LeaderState state() const;
  bool IsLeader() const { return state() == LeaderState::kLeading; }
  // Who leads as far as we know; empty: nobody.
  std::string holder() const;
  // What the Lease says of its holder, from the next renewal on and for as long as we lead; empty:
  // nothing. A former holder's note goes when we lead.
  void SetNote(std::string note);

  // Ends a waiting Step; later ones do nothing.
  void Stop();
  bool stopped() const;
  // On the way out, after the last Step: lets another one lead at once.
  void Release();

 private:
  void Try();
  bool Read();
  bool Create();
  bool Write(Lease lease);
  void PutNote(Lease* lease) const;
  void Observe(const Lease& lease);
  bool Free() const;
  void Lead(Nanos asked_at);

  Api& api_;
  const LeaderOptions options_;
  const Clock& clock_;
  Rng rng_;
  Nanos next_{0};
  Lease seen_;  // as last read or written; no version: there was none
  Nanos seen_at_{0};
  bool unclear_ = false;  // whether our last write was carried out

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool leads_ = false;
  Nanos leads_until_{0};
  std::string holder_;
  std::string note_;
  bool stopped_ = false;
};

// Steps an election on a thread of its own; when destroyed, stops and releases it.
class LeaderThread {
 public:
  explicit LeaderThread(LeaderElection& election);
  LeaderThread(const LeaderThread&) = delete;
  LeaderThread& operator=(const LeaderThread&) = delete;
  ~LeaderThread();

 private:
  LeaderElection& election_;
  std::thread thread_;
};

}  // namespace pj::kube
