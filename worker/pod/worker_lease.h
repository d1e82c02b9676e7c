// WorkerLease: a worker's Lease while its agent does not write it: while it plans, waits or
// finalises. A worker that has stopped empties it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "job/job_objects.h"
#include "worker/store.h"

namespace pj::worker {

// Hold, Rest and Release belong to one thread, SetTick to any. A write that fails is repeated with
// the next tick.
class WorkerLease {
 public:
  WorkerLease(StoreClient store, std::string name);
  ~WorkerLease();  // as Rest()

  // From now on renews the Lease each tick, under this holder. Writes at once when either differs
  // from what was written last.
  void Hold(const std::string& holder, const job::WorkerState& state);
  // Leaves the Lease alone: somebody else writes it from now on.
  void Rest();
  // Rests, and says that nobody holds it; once, until somebody holds it again.
  void Release();
  void SetTick(Nanos tick);

 private:
  void Loop(const std::stop_token& stop);
  bool Write(const std::string& holder, const std::string& note);
  bool Find();

  const StoreClient store_;
  const std::string name_;
  std::mutex write_mutex_;  // one write at a time
  std::string version_;     // guarded by write_mutex_; empty: not known
  bool released_ = false;   // likewise

  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool holding_ = false;  // these are guarded by mutex_
  bool due_ = false;
  std::string holder_;
  std::string note_;
  Nanos tick_{Seconds(5)};
  std::jthread thread_;  // last: joined before the rest goes
};

}  // namespace pj::worker
