// LiveOverview: what the logs folder tells of a whole job while its pods work: how far it is, its
// errors, a line for each committed attempt. One pod writes it, from the ledger and the segments of
// all. The reports at the end replace all of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "job/run_store.h"
#include "report/live_reports.h"
#include "report/report.h"
#include "report/rollup.h"

namespace pj::worker {

struct LiveOverviewOptions {
  job::RunStore store;
  job::PlanFacts plan;
  std::string logs_dir;
  std::string segments_dir;
  Nanos interval{Seconds(5)};  // more for jobs of many shards: 20 of them are read a second
  uint64_t seed = 0;
};

// Writes nothing to the API. Ends by itself once the ledger is sealed. What it cannot read or write
// stops nothing. A thread of its own until destruction.
class LiveOverview {
 public:
  explicit LiveOverview(LiveOverviewOptions options);

 private:
  using Shards = std::vector<ledger::ShardRecord>;

  void Run(const std::stop_token& stop);
  bool WaitStopped(const std::stop_token& stop, Nanos time);
  // All shards; false once one is sealed, or when told to stop.
  bool Walk(const std::stop_token& stop, Shards* shards);
  void Write(const Shards& shards);
  void TakeAttempts(const ledger::OutputMark& mark);

  const LiveOverviewOptions options_;
  report::LiveReports reports_;  // these are of the thread
  report::Rollup rollup_;
  std::unique_ptr<report::ProcessedCsv> csv_;
  std::map<std::string, uint64_t> read_;  // by segment: bytes of attempts
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: joined before the rest goes
};

}  // namespace pj::worker
