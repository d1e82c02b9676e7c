// LiveReports: what the logs folder tells while a job runs, and after it was killed: how far it
// came, and every failure so far. WriteReports replaces all of it at the end.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "report/error_files.h"
#include "report/report.h"
#include "report/rollup.h"

namespace pj::report {

struct LiveState {
  JobSummary summary;                   // counters and error groups so far
  std::map<std::string, Totals> nodes;  // by node
};

// Thread-safe. What cannot be written is tried again at the next refresh: a log never stops a job.
class LiveReports {
 public:
  LiveReports(const std::string& logs_dir, Nanos interval);
  // A committed attempt; those that succeeded cost nothing.
  void Add(const output::AttemptRecord& record);
  // If `interval` has passed since the last time: asks for the state and rewrites
  // job_progress_overview, user/error.txt and the error files.
  void Refresh(Nanos now, const std::function<Result<LiveState>()>& state);
  // The same, whatever the time.
  void Write(const LiveState& state);

 private:
  std::string logs_dir_;
  Nanos interval_;
  Nanos next_{0};  // of Refresh's thread
  std::mutex mutex_;
  ErrorFiles errors_;
};

}  // namespace pj::report
