#include "worker/code_copy.h"

#include <filesystem>
#include <system_error>

#include "base/fs.h"
#include "base/made_folder.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

bool Excluded(const fs::directory_entry& entry, const std::vector<fs::path>& exclude) {
  for (const fs::path& other : exclude) {
    if (entry.path() == other) return true;
  }
  std::error_code ignored;  // a link stays a link, wherever it leads
  return !entry.is_symlink(ignored) && IsMadeFolder(entry.path().string());
}

// A relative link that leads out of the folder would lead nowhere from the copy.
void CopyLink(const fs::path& link, const fs::path& root, const fs::path& target,
              std::error_code* error) {
  fs::path to = fs::read_symlink(link, *error);
  if (*error) return;
  if (to.is_relative()) {
    std::error_code ignored;  // of a link in a circle, which stays one
    const fs::path full = fs::weakly_canonical(link.parent_path() / to, ignored);
    const fs::path inside = full.lexically_relative(root);
    if (!inside.empty() && *inside.begin() == "..") to = full;
  }
  fs::create_symlink(to, target, *error);
}

Status CopyOne(const fs::directory_entry& entry, const fs::path& root, const fs::path& target) {
  std::error_code error;
  if (entry.is_symlink(error)) {
    CopyLink(entry.path(), root, target, &error);
  } else if (entry.is_directory(error)) {
    fs::create_directory(target, error);
  } else if (entry.is_regular_file(error)) {
    fs::copy_file(entry.path(), target, error);
    if (!error) {
      fs::permissions(target, fs::perms::owner_read | fs::perms::owner_write, fs::perm_options::add,
                      error);
    }
  }
  // A file that vanished meanwhile is no part of the code any more.
  if (error && error != std::errc::no_such_file_or_directory) {
    if (error == std::errc::no_space_on_device) {
      return FailWrite(error.value(), "cannot copy the code", target.string(), 0);
    }
    return FailErrno(error.value(), "cannot copy the code", entry.path().string());
  }
  return {};
}

}  // namespace

Status CopyCode(const std::string& from, const std::string& to,
                const std::vector<std::string>& exclude) {
  std::error_code error;
  fs::create_directories(to, error);
  if (error) return FailWrite(error.value(), "cannot create directory", to, 0);
  std::vector<fs::path> left_out{fs::weakly_canonical(to, error)};
  for (const std::string& path : exclude) left_out.push_back(fs::weakly_canonical(path, error));
  const fs::path root = fs::canonical(from, error);
  if (error) return FailErrno(error.value(), "cannot read the code folder", from);
  fs::recursive_directory_iterator it(root, error);
  if (error) return FailErrno(error.value(), "cannot read the code folder", from);
  while (it != fs::recursive_directory_iterator()) {
    if (Excluded(*it, left_out)) {
      it.disable_recursion_pending();
    } else {
      PJ_TRY(CopyOne(*it, root, fs::path(to) / it->path().lexically_relative(root)));
    }
    it.increment(error);
    if (error) return FailErrno(error.value(), "cannot read the code folder", from);
  }
  return {};
}

}  // namespace pj::worker
