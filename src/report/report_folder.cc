#include "report/report_folder.h"

#include <fcntl.h>

#include <filesystem>

#include "base/fs.h"
#include "base/rename_onto.h"

namespace pj::report {

Status ReportFolder::TryWrite(const std::string& name, const std::string& text) const {
  const std::string path = dir_ + "/" + name;
  const std::string fresh = path + ".new";
  PJ_TRY(MakeDirs(std::filesystem::path(path).parent_path().string()));
  {
    PJ_ASSIGN(UniqueFd fd, OpenFile(fresh, O_WRONLY | O_CREAT | O_TRUNC));
    PJ_TRY(WriteAll(fd.get(), text, fresh));
  }
  // Another finaliser may have put its own there: it comes to the same reports.
  std::error_code ignored;
  return RenameOnto(fresh, path,
                    {.is_there = [&] { return std::filesystem::exists(path, ignored); }});
}

std::string ProgressOverviewName(WallTime now) {
  std::string stamp;
  for (const char c : FormatRfc3339(now).substr(0, 13)) {
    if (c >= '0' && c <= '9') stamp.push_back(c);
  }
  return "job_progress_overview." + stamp + ".txt";
}

}  // namespace pj::report
