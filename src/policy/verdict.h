// The verdict: sums of shard records against thresholds and clocks. Pure; called by the operator
// and by the local run's controller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/record.h"

namespace pj::policy {

struct Thresholds {
  int64_t mini_batch_error_threshold = -1;  // -1 ignores all; more than this fails the job
  int64_t error_threshold = -1;             // the same for items, over the whole input
  int64_t allowed_failed_percent = 100;     // of all planned mini-batches
  Nanos progress_timeout{0};
  Nanos first_task_timeout{0};
  bool append_row = false;  // a job without any succeeded item fails
};

struct Sums {
  uint64_t total = 0;  // M
  uint64_t done = 0;   // terminal, failed ones included
  ledger::Counters counters;
  uint64_t progress = 0;  // sum of the shards' progress counters
  bool anything_started = false;
  std::vector<ledger::ErrorGroup>
      errors;  // merged, most frequent first; what found no room is last
};
Sums Sum(const std::vector<ledger::ShardRecord>& shards, uint64_t mini_batches);

enum class JobState { kRunning, kComplete, kFailed };

struct Verdict {
  JobState state = JobState::kRunning;
  std::string reason;   // CamelCase: "MiniBatchErrorThresholdExceeded", "ProgressTimeout" …
  std::string message;  // one line: the cause first, with counts, ids and where the log is
};

// Clocks that the controller keeps. `paused` (an init() within its own timeout, a drain) stops
// both. They start when the environment is ready for the first time; a timeout of 0 is off. Not
// thread-safe.
class Watchdog {
 public:
  Watchdog(Thresholds thresholds, Nanos now);
  // Takes the sums seen now; the verdict follows the order: thresholds, completion, timeouts.
  Verdict Judge(const Sums& sums, bool environment_ready, bool paused, Nanos now);

 private:
  Thresholds thresholds_;
  bool FirstTaskLate(const Sums& sums, Nanos now) const;

  Nanos last_seen_;
  Nanos last_progress_at_;
  std::optional<Nanos> ready_since_;
  uint64_t last_progress_ = 0;
  uint64_t last_done_ = 0;
};

// Failed (DeadlineExceeded) when a job ran longer than its deadline.
Verdict JudgeDeadline(Nanos ran, std::optional<Nanos> deadline);

// Failed (Cancelled): somebody asked for it.
Verdict JudgeCancel(bool cancelled);

// What one living worker says of itself.
struct WorkerReport {
  bool slots_lost = false;  // every slot has retired
  std::string reason;       // EntryScriptFailed, InitFailed …
  std::string message;
};
// Failed when there are workers and every one has lost all its slots: whatever the thresholds say.
Verdict JudgeWorkers(const std::vector<WorkerReport>& workers);

// How a verdict travels in the control object's reason, and back: an operator that starts again
// finds the same decision.
std::string AbortReason(const Verdict& verdict);
Verdict FromAbortReason(const std::string& reason);

// The exact verdict from the sealed ledger at the end. kRunning when the ledger itself decides
// nothing: it was sealed before all was done (cancel, deadline, timeout), and whoever asked for
// that knows why.
Verdict FinalVerdict(const Sums& sums, const Thresholds& thresholds);

}  // namespace pj::policy
