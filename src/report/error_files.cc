#include "report/error_files.h"

#include <fcntl.h>
#include <fmt/core.h>

#include "base/clock.h"
#include "base/fs.h"
#include "report/error_text.h"
#include "report/text.h"

namespace pj::report {
namespace {

constexpr uint64_t kHeld = 4 << 20;

std::string Entry(const output::AttemptRecord& r) {
  std::string text =
      fmt::format("{} mini-batch {}, attempt {}{}: {} after {:.3f} s\n{}\n",
                  FormatRfc3339(WallTime(Nanos(r.start_wall_ns))), r.mini_batch, r.attempt,
                  r.terminal ? " (the last)" : "", ledger::AttemptStatusName(r.status),
                  static_cast<double>(r.elapsed_ns) * 1e-9, ErrorText(r));
  if (!r.detail.empty()) text += "in: " + Escaped(r.detail) + "\n";
  if (!r.log.empty()) text += "log: " + Escaped(r.log) + "\n";
  if (!r.traceback.empty()) text += Escaped(r.traceback, Lines::kKeep) + "\n";
  return text + "\n";
}

}  // namespace

void ErrorFiles::Add(const output::AttemptRecord& r) {
  if (r.status == ledger::AttemptStatus::kRunDone) return;
  File& file = files_[{r.node, r.process}];
  if (file.bytes >= kMostBytes) {
    ++file.left_out;
    return;
  }
  const std::string entry = Entry(r);
  file.text += entry;
  file.bytes += entry.size();
  held_ += entry.size();
  if (held_ >= kHeld) WriteHeld();
}

Status ErrorFiles::Finish() {
  for (auto& [key, file] : files_) {
    if (file.left_out == 0) continue;
    file.text += fmt::format(
        "{} more failed attempts are not shown here; "
        "sys/job_report/processed_mini-batches.csv has them all\n",
        file.left_out);
  }
  return Flush();
}

Status ErrorFiles::Flush() {
  WriteHeld();
  return status_;
}

void ErrorFiles::WriteHeld() {
  for (auto& [key, file] : files_) {
    if (file.text.empty()) continue;
    if (Status written = Write(key.first, key.second, &file); !written && status_) {
      status_ = std::move(written);
    }
    file.text = {};
  }
  held_ = 0;
}

Status ErrorFiles::Write(const std::string& node, uint32_t process, File* file) {
  const std::string dir = dir_ + "/" + SafeFileName(node);
  PJ_TRY(MakeDirs(dir));
  const std::string path = dir + "/" + ProcessName(process) + ".txt";
  const int how = file->begun ? O_APPEND : O_TRUNC;
  PJ_ASSIGN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | how));
  file->begun = true;
  return WriteAll(fd.get(), file->text, path);
}

}  // namespace pj::report
