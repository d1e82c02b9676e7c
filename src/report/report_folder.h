// ReportFolder: text files of the logs folder, each replaced whole.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace pj::report {

// Writes as much as it can and remembers what went wrong first. Reports are made again from the
// ledger whenever needed, so they are not synced. Not thread-safe.
class ReportFolder {
 public:
  explicit ReportFolder(std::string dir) : dir_(std::move(dir)) {}

  // `name` is a path below the folder. Who reads meanwhile sees the old text or the new one.
  void Write(const std::string& name, const std::string& text) { Note(TryWrite(name, text)); }
  void Note(Status status) {
    if (!status && status_) status_ = std::move(status);
  }
  const Status& status() const { return status_; }

 private:
  Status TryWrite(const std::string& name, const std::string& text) const;

  std::string dir_;
  Status status_;
};

// job_progress_overview.<hour>.txt: later runs of a day stand beside it, one of the same hour
// replaces it.
std::string ProgressOverviewName(WallTime now);

}  // namespace pj::report
