#include "worker/pod/volume_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fs.h"

namespace pj::worker {
namespace {

Status AppendAndSync(const std::string& path) {
  PJ_ASSIGN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND));
  for (const char* part : {"one ", "two"}) {
    PJ_TRY(WriteAll(fd.get(), part, path));
    PJ_TRY(Fdatasync(fd.get(), path));
  }
  return {};
}

Status Steps(const std::string& dir, const std::string& path) {
  PJ_TRY(MakeDirs(dir));
  PJ_TRY(AppendAndSync(path));
  const std::string target = path + ".to";
  PJ_TRY(AppendAndSync(target));
  if (std::rename(path.c_str(), target.c_str()) != 0) {
    return FailErrno(errno, "cannot rename over", target);
  }
  PJ_TRY(SyncDir(dir));
  PJ_ASSIGN(const std::string text, ReadFile(target, 64));
  if (text == "one two") return {};
  return Fail(Code::kIo, "what was appended is not what is read", target);
}

}  // namespace

Error VolumeUnusable(const Error& cause, const std::string& dir) {
  Error error;
  error.code = cause.code;
  error.message = fmt::format("VolumeUnusable: user {}, group {} cannot work in {}: {}",
                              ::geteuid(), ::getegid(), dir, cause.ToString());
  error.hint =
      "let that user or the pods' fsGroup write to the folder on the volume (chown, chmod g+w), or "
      "take a volume that can append, fsync and rename";
  return error;
}

Status ProbeVolume(const std::string& dir, const std::string& unique) {
  const std::string path = dir + "/.probe-" + unique;
  Status done = Steps(dir, path);
  ::unlink(path.c_str());
  ::unlink((path + ".to").c_str());
  if (!done) return std::unexpected(VolumeUnusable(done.error(), dir));
  return {};
}

}  // namespace pj::worker
