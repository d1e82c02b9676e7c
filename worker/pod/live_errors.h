// LiveErrors: the error files of one pod while its job runs: user/error/<node>/processNNN.txt grows
// as its failed attempts are committed. The reports at the end replace all of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "job/run_store.h"
#include "output/segment.h"
#include "report/error_files.h"

namespace pj::worker {

struct LiveErrorsOptions {
  job::RunStore store;
  job::PlanFacts plan;
  std::string logs_dir;
  std::string segments_dir;
  std::string holder;       // in the shards: "w-0"
  std::string incarnation;  // what it commits comes by Add, what earlier ones did from the ledger
  Nanos interval{Seconds(5)};
};

// Add from any thread; it never waits for the volume. One that cannot be written stops nothing: the
// log says so. Destruction writes what is left, or drops it when the earlier ones were not read
// yet.
class LiveErrors {
 public:
  explicit LiveErrors(LiveErrorsOptions options);
  ~LiveErrors();
  // A committed attempt of this incarnation; those that succeeded cost nothing.
  void Add(const output::AttemptRecord& record);

 private:
  void Run(const std::stop_token& stop);
  bool WaitFor(const std::stop_token& stop, Nanos time);
  bool AnyEarlier() const;
  // False: the job has ended, or there is no time.
  bool TakeEarlier(const std::stop_token& stop);
  bool TakeShard(const ledger::ShardRecord& shard);
  bool IsEarlier(const std::string& segment) const;
  void WriteQueue();

  const LiveErrorsOptions options_;
  report::ErrorFiles files_;  // these two are of the thread
  bool told_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<output::AttemptRecord> queue_;  // guarded by mutex_, as the rest
  uint64_t queued_bytes_ = 0;
  uint64_t left_out_ = 0;
  std::jthread thread_;  // last: joined before the rest goes
};

}  // namespace pj::worker
