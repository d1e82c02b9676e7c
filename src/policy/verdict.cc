#include "policy/verdict.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/limits.h"
#include "base/words.h"
#include "ledger/error_groups.h"
#include "ledger/plants.h"

namespace pj::policy {
namespace {

constexpr size_t kGroupsKept = 64;
constexpr size_t kGroupsNamed = 3;

std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

std::string Describe(const ledger::ErrorGroup& group) {
  std::string ids;
  for (const uint64_t id : group.first_ids) {
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", id);
  }
  std::string text = fmt::format("{} ({}", group.text, Count(group.count, "attempt", "attempts"));
  if (!ids.empty()) {
    text +=
        fmt::format("; {} {}", group.first_ids.size() == 1 ? "mini-batch" : "mini-batches", ids);
  }
  if (!group.log.empty()) text += "; log: " + group.log;
  return text + ")";
}

// "<what>: <top error groups>", in one line and within its limit.
std::string WithCauses(std::string what, const std::vector<ledger::ErrorGroup>& errors) {
  const size_t named = std::min(errors.size(), kGroupsNamed);
  for (size_t i = 0; i < named; ++i) what += (i == 0 ? ": " : "; ") + Describe(errors[i]);
  if (errors.size() > named) {
    what += fmt::format(
        "; and {}", Count(errors.size() - named, "other kind of error", "other kinds of errors"));
  }
  what = OneLine(std::move(what));
  if (what.size() > limits::kMessageBytes) {
    size_t end = limits::kMessageBytes - 4;
    while (end > 0 && (static_cast<uint8_t>(what[end]) & 0xC0) == 0x80) --end;
    what = what.substr(0, end) + " …";
  }
  return what;
}

bool Exceeds(uint64_t count, int64_t threshold) {
  if (threshold < 0) return false;
  auto allowed = static_cast<uint64_t>(threshold);
  if (ledger::Planted(ledger::Plant::kThresholdLate)) ++allowed;
  return ledger::Planted(ledger::Plant::kThresholdNotStrict) ? count > 0 && count >= allowed
                                                             : count > allowed;
}

bool ExceedsPercent(uint64_t failed, uint64_t total, int64_t percent) {
  if (percent < 0 || percent >= 100) return false;
  __extension__ using Wide = unsigned __int128;
  return Wide{failed} * 100 > Wide{static_cast<uint64_t>(percent)} * total;
}

Verdict Failed(std::string reason, std::string what, const Sums& sums) {
  return {JobState::kFailed, std::move(reason), WithCauses(std::move(what), sums.errors)};
}

Verdict JudgeThresholds(const Sums& sums, const Thresholds& t) {
  const ledger::Counters& c = sums.counters;
  const std::string failed =
      Count(c.mini_batches_failed, "mini-batch failed", "mini-batches failed");
  if (Exceeds(c.mini_batches_failed, t.mini_batch_error_threshold)) {
    return Failed("MiniBatchErrorThresholdExceeded",
                  fmt::format("{}, more than miniBatchErrorThreshold {} allows", failed,
                              t.mini_batch_error_threshold),
                  sums);
  }
  if (Exceeds(c.items_failed, t.error_threshold)) {
    return Failed(
        "ErrorThresholdExceeded",
        fmt::format("{}, more than errorThreshold {} allows",
                    Count(c.items_failed, "item failed", "items failed"), t.error_threshold),
        sums);
  }
  if (ExceedsPercent(c.mini_batches_failed, sums.total, t.allowed_failed_percent)) {
    return Failed("AllowedFailedPercentExceeded",
                  fmt::format("{} of {}, more than allowedFailedPercent {} allows", failed,
                              sums.total, t.allowed_failed_percent),
                  sums);
  }
  return {};
}

Verdict JudgeCompletion(const Sums& sums, const Thresholds& t) {
  if (sums.done < sums.total) return {};
  if (t.append_row && sums.counters.items_ok == 0) {
    return Failed("NoItemSucceeded",
                  fmt::format("not one item succeeded in {}, so there is nothing to append",
                              Count(sums.total, "mini-batch", "mini-batches")),
                  sums);
  }
  return {JobState::kComplete, "Complete",
          fmt::format("{} done, {} failed", Count(sums.total, "mini-batch", "mini-batches"),
                      sums.counters.mini_batches_failed)};
}

double InSeconds(Nanos time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Sums Sum(const std::vector<ledger::ShardRecord>& shards, uint64_t mini_batches) {
  Sums sums;
  sums.total = mini_batches;
  for (const ledger::ShardRecord& shard : shards) {
    sums.done += shard.DoneCount();
    sums.counters += shard.counters;
    sums.progress += shard.progress;
    for (const ledger::ErrorGroup& group : shard.errors) {
      ledger::MergeErrorGroup(group, kGroupsKept, &sums.errors);
    }
    sums.anything_started = sums.anything_started || shard.progress > 0 || shard.DoneCount() > 0 ||
                            !shard.attempts.empty();
  }
  std::stable_sort(sums.errors.begin(), sums.errors.end(), [](const auto& a, const auto& b) {
    const bool a_other = a.hash == ledger::kOtherErrors;
    const bool b_other = b.hash == ledger::kOtherErrors;
    return a_other != b_other ? b_other : a.count > b.count;
  });
  return sums;
}

Watchdog::Watchdog(Thresholds thresholds, Nanos now)
    : thresholds_(thresholds), last_seen_(now), last_progress_at_(now) {}

Verdict Watchdog::Judge(const Sums& sums, bool environment_ready, bool paused, Nanos now) {
  if (Verdict verdict = JudgeThresholds(sums, thresholds_); verdict.state != JobState::kRunning) {
    return verdict;
  }
  if (Verdict verdict = JudgeCompletion(sums, thresholds_); verdict.state != JobState::kRunning) {
    return verdict;
  }
  const Nanos passed = std::max(Nanos(0), now - last_seen_);
  last_seen_ = std::max(last_seen_, now);
  if (paused || !ready_since_) {
    last_progress_at_ += passed;
    if (ready_since_) *ready_since_ += passed;
  }
  if (environment_ready && !ready_since_) ready_since_ = last_progress_at_ = now;
  if (sums.progress != last_progress_ || sums.done != last_done_) {
    last_progress_ = sums.progress;
    last_done_ = sums.done;
    last_progress_at_ = now;
  }
  if (paused || !ready_since_) return {};
  if (FirstTaskLate(sums, now)) {
    return Failed(
        "FirstTaskCreationTimeout",
        fmt::format("no mini-batch was started within {} s of the environment being ready "
                    "(firstTaskCreationTimeoutSeconds)",
                    InSeconds(thresholds_.first_task_timeout)),
        sums);
  }
  if (thresholds_.progress_timeout > Nanos(0) &&
      now - last_progress_at_ > thresholds_.progress_timeout) {
    return Failed("ProgressTimeout",
                  fmt::format("no mini-batch was started, retried or finished for {} s "
                              "(progressUpdateTimeoutSeconds); {} of {} are done",
                              InSeconds(thresholds_.progress_timeout), sums.done, sums.total),
                  sums);
  }
  return {};
}

bool Watchdog::FirstTaskLate(const Sums& sums, Nanos now) const {
  return thresholds_.first_task_timeout > Nanos(0) && !sums.anything_started &&
         now - *ready_since_ > thresholds_.first_task_timeout;
}

Verdict JudgeDeadline(Nanos ran, std::optional<Nanos> deadline) {
  if (!deadline || ran <= *deadline) return {};
  return {JobState::kFailed, "DeadlineExceeded",
          fmt::format("the job ran longer than activeDeadlineSeconds ({} s)",
                      std::chrono::duration_cast<Seconds>(*deadline).count())};
}

Verdict JudgeCancel(bool cancelled) {
  if (!cancelled) return {};
  return {JobState::kFailed, "Cancelled", "the job was cancelled (spec.cancel)"};
}

Verdict JudgeWorkers(const std::vector<WorkerReport>& workers) {
  for (const WorkerReport& worker : workers) {
    if (!worker.slots_lost) return {};
  }
  if (workers.empty()) return {};
  return {JobState::kFailed, workers.front().reason, OneLine(workers.front().message)};
}

std::string AbortReason(const Verdict& verdict) { return verdict.reason + ": " + verdict.message; }

Verdict FromAbortReason(const std::string& reason) {
  const size_t colon = reason.find(": ");
  if (colon == std::string::npos) return {JobState::kFailed, "Aborted", reason};
  return {JobState::kFailed, reason.substr(0, colon), reason.substr(colon + 2)};
}

Verdict FinalVerdict(const Sums& sums, const Thresholds& thresholds) {
  Verdict verdict = JudgeThresholds(sums, thresholds);
  return verdict.state != JobState::kRunning ? verdict : JudgeCompletion(sums, thresholds);
}

}  // namespace pj::policy
