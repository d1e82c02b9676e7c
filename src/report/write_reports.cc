#include <fcntl.h>

#include <filesystem>
#include <utility>

#include "base/fs.h"
#include "report/error_files.h"
#include "report/job_texts.h"
#include "report/report.h"
#include "report/rollup.h"

namespace pj::report {
namespace {

// Hour of the overview: later runs of a day stand beside it, one of the same hour replaces it.
std::string HourStamp(WallTime now) {
  std::string stamp;
  for (const char c : FormatRfc3339(now).substr(0, 13)) {
    if (c >= '0' && c <= '9') stamp.push_back(c);
  }
  return stamp;
}

// Writes as much as it can and remembers what went wrong first. Reports are made again from the
// ledger whenever needed, so they are not synced.
class Folder {
 public:
  explicit Folder(std::string dir) : dir_(std::move(dir)) {}

  void Write(const std::string& name, const std::string& text) { Note(TryWrite(name, text)); }
  void Note(Status status) {
    if (!status && status_) status_ = std::move(status);
  }
  Status status() const { return status_; }

 private:
  Status TryWrite(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    PJ_TRY(MakeDirs(std::filesystem::path(path).parent_path().string()));
    PJ_ASSIGN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
    return WriteAll(fd.get(), text, path);
  }

  std::string dir_;
  Status status_;
};

}  // namespace

Status WriteReports(const std::string& logs_dir, const JobSummary& summary,
                    const AttemptSource& attempts) {
  Folder folder(logs_dir);
  Rollup rollup;
  ErrorFiles errors(logs_dir + "/user/error");
  folder.Note(attempts([&](const output::AttemptRecord& record) {
    rollup.Add(record);
    errors.Add(record);
  }));
  folder.Note(errors.Finish());
  const WallTime now = SystemClock().Wall();
  folder.Write("job_result.txt", JobResultText(summary));
  folder.Write("readme.txt", ReadmeText());
  folder.Write("user/error.txt", ErrorOverviewText(summary));
  folder.Write("job_progress_overview." + HourStamp(now) + ".txt",
               ProgressOverviewText(summary, rollup, now));
  folder.Write("sys/job_report/node_summary.csv", rollup.NodeCsv());
  folder.Write("sys/job_report/process_summary.csv", rollup.ProcessCsv());
  return folder.status();
}

}  // namespace pj::report
