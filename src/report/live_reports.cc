#include "report/live_reports.h"

#include "base/log.h"
#include "report/job_texts.h"
#include "report/report_folder.h"

namespace pj::report {

LiveReports::LiveReports(const std::string& logs_dir, Nanos interval)
    : logs_dir_(logs_dir),
      interval_(interval),
      errors_(logs_dir + "/user/error", ErrorFiles::How::kGrowing) {}

void LiveReports::Add(const output::AttemptRecord& record) {
  if (record.status == ledger::AttemptStatus::kRunDone) return;
  const std::lock_guard lock(mutex_);
  errors_.Add(record);
}

void LiveReports::Refresh(Nanos now, const std::function<Result<LiveState>()>& state) {
  if (now < next_) return;
  next_ = now + interval_;
  const Result<LiveState> known = state();
  if (known) Write(*known);
}

void LiveReports::Write(const LiveState& state) {
  ReportFolder folder(logs_dir_);
  const WallTime now = SystemClock().Wall();
  folder.Write(ProgressOverviewName(now), ProgressOverviewText(state.summary, state.nodes, now));
  if (!state.summary.errors.empty()) {
    folder.Write("user/error.txt", ErrorOverviewText(state.summary));
  }
  {
    const std::lock_guard lock(mutex_);
    folder.Note(errors_.Flush());
  }
  if (!folder.status()) PJ_DEBUG("reports: {}", folder.status().error().ToString());
}

}  // namespace pj::report
