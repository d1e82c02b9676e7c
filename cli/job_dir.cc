#include "cli/job_dir.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace pj::cli {
namespace fs = std::filesystem;

std::string OutputFolder(const std::string& asked, const std::string& job) {
  return asked.empty() ? "./" + job + "-output" : asked;
}

Result<JobDir> JobDir::At(const std::string& dir, const std::string& step) {
  std::error_code error;
  JobDir made;
  made.root_ = fs::absolute(dir, error).lexically_normal().string();
  if (error) return FailErrno(error.value(), "cannot resolve the output folder", dir);
  while (made.root_.size() > 1 && made.root_.ends_with('/')) made.root_.pop_back();
  made.step_ = step;
  return made;
}

std::string JobDir::StepThere() const {
  std::string name;
  std::error_code error;
  for (fs::directory_iterator step(root_ + "/steps", error), end; !error && step != end;
       step.increment(error)) {
    std::error_code none;
    const bool ran = !fs::is_empty(step->path() / "logs", none) && !none;
    if (ran || name.empty()) name = step->path().filename().string();
    if (ran) break;
  }
  return name;
}

Result<bool> JobDir::HasState() const {
  struct stat info{};
  if (::stat(StateDb().c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  auto failed = FailErrno(errno, "cannot look into the folder", root_);
  failed.error().hint = "mend its path or its permissions, or name another folder";
  return failed;
}

Status JobDir::CheckOurs() const {
  PJ_ASSIGN(const bool ours, HasState());
  if (ours) return {};
  for (const char* name : {"/outputs", "/logs", "/steps"}) {
    std::error_code error;
    const std::string path = root_ + name;
    if (fs::status(path, error).type() == fs::file_type::not_found) continue;
    if (fs::is_empty(path, error)) continue;
    if (error) return FailErrno(error.value(), "cannot look into the folder", path);
    return Fail(Code::kInvalid,
                fmt::format("the folder holds {} that no run of paralleljob left", name + 1), root_,
                "choose another --output");
  }
  return {};
}

Status JobDir::MakeFolders() const {
  for (const std::string& path : {Private(), Segments(), Outputs(), Logs()}) {
    PJ_TRY(MakeDirs(path));
  }
  if (IsPipeline()) {
    PJ_TRY(MakeDirs(PipelineOutputs()));
    PJ_TRY(MakeDirs(PipelineLogs()));
  }
  return {};
}

Status JobDir::RemoveOurs() const {
  PJ_ASSIGN(const bool ours, HasState());
  if (!ours) return {};
  // state.db goes last: until then the folder is known as ours.
  for (const std::string& path :
       {root_ + "/outputs", root_ + "/logs", root_ + "/steps", Segments(), Inputs(), PlanFile(),
        StateDb() + "-wal", StateDb() + "-shm", StateDb()}) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return FailErrno(error.value(), "cannot remove the earlier run", path);
  }
  return {};
}

Status JobDir::RemoveInputs() const {
  std::error_code error;
  fs::remove_all(Inputs(), error);
  if (error) return FailErrno(error.value(), "cannot remove the copies of inputs", Inputs());
  return {};
}

Result<DirLock> DirLock::Take(const JobDir& dir) {
  PJ_TRY(MakeDirs(dir.Private()));
  PJ_ASSIGN(UniqueFd fd, OpenFile(dir.LockFile(), O_RDWR | O_CREAT));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FailErrno(errno, "cannot lock", dir.LockFile());
    Result<std::string> holder = ReadFile(dir.LockFile(), 64);
    return Fail(Code::kUnavailable,
                fmt::format("process {} is already running a job here",
                            holder && !holder->empty() ? *holder : "(unknown)"),
                dir.root(), "wait for it, stop it, or choose another --output");
  }
  if (::ftruncate(fd.get(), 0) != 0) return FailWrite(errno, "cannot write", dir.LockFile(), 0);
  PJ_TRY(WriteAll(fd.get(), fmt::format("{}", ::getpid()), dir.LockFile()));
  return DirLock(std::move(fd));
}

// /proc/locks: "7: FLOCK  ADVISORY  WRITE 4711 00:2a:123456 0 EOF".
std::string DirLock::Holder(const JobDir& dir) {
  struct stat file{};
  const Result<std::string> pid = ReadFile(dir.LockFile(), 64);
  if (!pid || pid->empty() || ::stat(dir.LockFile().c_str(), &file) != 0) return {};
  const std::string inode = fmt::format(":{}", file.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, how, mode, holder, place;
    words >> number >> kind >> how >> mode >> holder >> place;
    if (kind == "FLOCK" && mode == "WRITE" && holder == *pid && place.ends_with(inode)) return *pid;
  }
  return {};
}

}  // namespace pj::cli
