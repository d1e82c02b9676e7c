#include "report/error_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/clock.h"
#include "base/fs.h"
#include "base/rename_onto.h"
#include "report/error_text.h"
#include "report/text.h"

namespace pj::report {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kHeld = 4 << 20;

// user/error/<node>/processNNN.txt, in which the entry stands.
std::string FileBelow(const std::string& dir, const std::string& node, uint32_t process) {
  return dir + "/" + SafeFileName(node) + "/" + ProcessName(process) + ".txt";
}

bool IsOwnFile(const output::AttemptRecord& r) {
  return r.log == FileBelow("user/error", r.node, r.process);
}

std::string Entry(const output::AttemptRecord& r) {
  std::string text =
      fmt::format("{} mini-batch {}, attempt {}{}: {} after {:.3f} s\n{}\n",
                  FormatRfc3339(WallTime(Nanos(r.start_wall_ns))), r.mini_batch, r.attempt,
                  r.terminal ? " (the last)" : "", ledger::AttemptStatusName(r.status),
                  static_cast<double>(r.elapsed_ns) * 1e-9, ErrorText(r));
  if (!r.detail.empty()) text += "in: " + Escaped(r.detail) + "\n";
  if (!r.log.empty() && !IsOwnFile(r)) text += "log: " + Escaped(r.log) + "\n";
  if (!r.traceback.empty()) text += Escaped(r.traceback, Lines::kKeep) + "\n";
  return text + "\n";
}

}  // namespace

ErrorFiles::ErrorFiles(std::string user_error_dir, How how)
    : dir_(std::move(user_error_dir)), how_(how) {
  if (how_ == How::kGrowing) NoteWhatIsThere();
}

void ErrorFiles::NoteWhatIsThere() {
  std::error_code error;
  for (fs::recursive_directory_iterator at(dir_, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code vanished;
    const uint64_t bytes = at->is_regular_file(vanished) ? at->file_size(vanished) : 0;
    if (!vanished) found_[at->path().string()] = bytes;
  }
}

std::string ErrorFiles::PathOf(const Key& key) const {
  return FileBelow(dir_, key.first, key.second);
}

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
    file.text +=
        fmt::format("{} not shown here; sys/job_report/processed_mini-batches.csv has them all\n",
                    file.left_out == 1 ? "1 more failed attempt is"
                                       : fmt::format("{} more failed attempts are", file.left_out));
  }
  WriteHeld();
  for (const auto& [key, file] : files_) {
    if (how_ == How::kGrowing || file.given_up) continue;
    if (Status placed = PutInPlace(PathOf(key)); !placed) Note(std::move(placed));
  }
  return status_;
}

void ErrorFiles::Note(Status failed) {
  if (status_) status_ = std::move(failed);
}

Status ErrorFiles::Flush() {
  WriteHeld();
  return status_;
}

void ErrorFiles::WriteHeld() {
  for (auto& [key, file] : files_) {
    if (file.text.empty()) continue;
    if (Status written = Write(key, &file); !written) {
      file.given_up = file.given_up || how_ == How::kWhole;
      Note(std::move(written));
    }
    file.text = {};
  }
  held_ = 0;
}

Status ErrorFiles::Write(const Key& key, File* file) {
  const std::string path = PathOf(key);
  PJ_TRY(MakeDirs(fs::path(path).parent_path().string()));
  if (how_ == How::kWhole) {
    const int how = file->begun ? O_APPEND : O_TRUNC;
    PJ_ASSIGN(UniqueFd fd, OpenFile(path + ".new", O_WRONLY | O_CREAT | how));
    file->begun = true;
    return WriteAll(fd.get(), file->text, path);
  }
  if (file->given_up) return {};
  PJ_ASSIGN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_APPEND));
  return Append(fd.get(), path, file);
}

// What replaces a file is never as long as ours while something is left to write: it has all that
// we wrote, and this. Between this look and the write it can only be renamed over what we opened.
Status ErrorFiles::Append(int fd, const std::string& path, File* file) const {
  struct stat now{};
  if (::fstat(fd, &now) != 0) return FailErrno(errno, "cannot look at", path);
  const auto found = found_.find(path);
  const uint64_t before = found == found_.end() ? 0 : found->second;
  const uint64_t expected = file->begun ? file->on_disk : before;
  const auto bytes = static_cast<uint64_t>(now.st_size);
  if (bytes != expected && bytes != 0) {  // 0: somebody took it away
    file->given_up = true;
    return {};
  }
  if (!file->begun && bytes > 0 && ::ftruncate(fd, 0) != 0) {
    return FailErrno(errno, "cannot begin anew", path);
  }
  file->on_disk = file->begun ? bytes : 0;
  file->begun = true;
  if (Status written = WriteAll(fd, file->text, path); !written) {
    // Nothing torn: the next entry begins where the last whole one ended.
    if (::ftruncate(fd, static_cast<off_t>(file->on_disk)) != 0) file->given_up = true;
    return written;
  }
  file->on_disk += file->text.size();
  return {};
}

Status ErrorFiles::PutInPlace(const std::string& path) const {
  std::error_code ignored;  // another finaliser may have put its own there
  return RenameOnto(path + ".new", path, {.is_there = [&] { return fs::exists(path, ignored); }});
}

}  // namespace pj::report
