#include "worker/input_copy.h"

#include <filesystem>

#include "base/fs.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

void KeepTimes(const std::string& from, const std::string& to) {
  std::error_code error;
  if (!fs::is_directory(from)) {
    fs::last_write_time(to, fs::last_write_time(from), error);
    return;
  }
  for (const auto& entry : fs::recursive_directory_iterator(to)) {
    if (!entry.is_regular_file() || entry.is_symlink()) continue;
    const fs::path source = fs::path(from) / fs::relative(entry.path(), to);
    fs::last_write_time(entry.path(), fs::last_write_time(source), error);
  }
}

Status CopyTree(const std::string& from, const std::string& to) {
  std::error_code error;
  const std::string partial = to + ".partial";
  fs::remove_all(partial, error);
  fs::copy(from, partial, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error == std::errc::no_space_on_device) {
    return FailWrite(error.value(), "cannot copy the input " + from, partial, 0);
  }
  if (error) return FailErrno(error.value(), "cannot copy the input", from + " -> " + partial);
  KeepTimes(from, partial);
  fs::rename(partial, to, error);
  if (error) return FailErrno(error.value(), "cannot finish the copy of the input", to);
  return {};
}

}  // namespace

Result<std::string> CopyInput(const std::string& from, const std::string& folder) {
  PJ_TRY(MakeDirs(folder));
  std::string copy = folder + "/" + fs::path(from).filename().string();
  if (!fs::exists(copy)) PJ_TRY(CopyTree(from, copy));
  return copy;
}

}  // namespace pj::worker
