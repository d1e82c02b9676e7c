#include "worker/input_copy.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/fs.h"
#include "base/log.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

class Copier {
 public:
  explicit Copier(const std::string& own) {
    struct stat info{};
    if (::stat(own.c_str(), &info) == 0) own_ = {info.st_dev, info.st_ino};
  }

  Status Copy(const fs::path& from, const fs::path& to) {
    struct stat info{};
    if (::stat(from.c_str(), &info) != 0) {
      if (errno != ENOENT) return FailErrno(errno, "cannot read the input", from.string());
      return Fail(Code::kNotFound, "symbolic link leads nowhere", from.string(),
                  "mend or remove it");
    }
    if (S_ISDIR(info.st_mode)) return CopyFolder(from, to, {info.st_dev, info.st_ino});
    if (!S_ISREG(info.st_mode)) {
      return Fail(Code::kInvalid, "is neither a file nor a folder, and cannot be copied",
                  from.string(), "remove it, or use mode: ro_mount");
    }
    std::error_code error;
    fs::copy_file(from, to, error);
    if (error) return Failed(error, from, to);
    fs::last_write_time(to, fs::last_write_time(from, error), error);
    return {};
  }

 private:
  using Id = std::pair<dev_t, ino_t>;

  static Status Failed(const std::error_code& error, const fs::path& from, const fs::path& to) {
    if (error == std::errc::no_space_on_device) {
      return FailWrite(error.value(), "cannot copy the input " + from.string(), to.string(), 0);
    }
    return FailErrno(error.value(), "cannot copy the input", from.string() + " -> " + to.string());
  }

  Status CopyFolder(const fs::path& from, const fs::path& to, Id id) {
    if (id == own_) return {};
    if (std::find(above_.begin(), above_.end(), id) != above_.end()) {
      PJ_WARN("left out a symbolic link that leads back to a folder above it: {}", from.string());
      return {};
    }
    std::error_code error;
    fs::create_directory(to, error);
    if (error) return Failed(error, from, to);
    above_.push_back(id);
    fs::directory_iterator entry(from, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      PJ_TRY(Copy(entry->path(), to / entry->path().filename()));
    }
    above_.pop_back();
    if (error) return FailErrno(error.value(), "cannot read the input", from.string());
    return {};
  }

  Id own_{};
  std::vector<Id> above_;
};

}  // namespace

Result<std::string> CopyInput(const std::string& path, const std::string& folder,
                              const std::string& own) {
  const std::string copy = folder + "/" + fs::path(path).filename().string();
  std::error_code error;
  if (fs::exists(copy, error)) return copy;
  PJ_TRY(MakeDirs(folder));
  const std::string partial = copy + ".partial";
  fs::remove_all(partial, error);
  PJ_TRY(Copier(own).Copy(path, partial));
  fs::rename(partial, copy, error);
  if (error) return FailErrno(error.value(), "cannot finish the copy of the input", copy);
  return copy;
}

}  // namespace pj::worker
