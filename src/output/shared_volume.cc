#include "output/shared_volume.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"

namespace pj::output {
namespace {

constexpr Nanos kFirstPause = Millis(100);
constexpr Nanos kLongestPause = Seconds(5);

// What is wrong with it; empty: it is whole.
Result<std::string> Look(const std::string& path, uint64_t size, UniqueFd* fd) {
  Result<UniqueFd> opened = OpenFile(path, O_RDONLY);
  if (!opened && opened.error().code == Code::kNotFound) {
    return fmt::format("the file is missing, but {} bytes were committed", size);
  }
  PJ_ASSIGN(*fd, std::move(opened));
  PJ_ASSIGN(const uint64_t found, FileSize(fd->get(), path));
  if (found >= size) return std::string();
  return fmt::format("the file has {} bytes, but {} were committed", found, size);
}

}  // namespace

FileOps::Late SharedVolume::WaitFor(const std::string& path, int looks) {
  if (left_ <= Nanos(0)) return Late::kNever;
  if (looks == 1) {
    PJ_INFO("{} is not whole here yet: looking again for up to {} s", path,
            std::chrono::ceil<Seconds>(left_).count());
  }
  Nanos pause = kFirstPause;
  for (int i = 1; i < looks && pause < kLongestPause; ++i) pause *= 2;
  pause = std::min({pause, kLongestPause, left_});
  left_ -= pause;
  return wait_(pause) ? Late::kStopped : Late::kAgain;
}

Result<UniqueFd> OpenCommitted(FileOps& files, const std::string& path, uint64_t size) {
  for (int looks = 1;; ++looks) {
    UniqueFd fd;
    PJ_ASSIGN(const std::string wrong, Look(path, size, &fd));
    if (wrong.empty()) return fd;
    switch (files.WaitFor(path, looks)) {
      case FileOps::Late::kAgain:
        continue;
      case FileOps::Late::kStopped:
        return Fail(Code::kCancelled, "told to stop while waiting for a file to be whole", path);
      case FileOps::Late::kNever:
        return Corrupt(wrong, path);
    }
  }
}

}  // namespace pj::output
