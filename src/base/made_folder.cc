#include "base/made_folder.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace pj {
namespace {

bool HoldsRun(const std::string& folder) {
  struct stat info{};
  return ::stat((folder + "/" + kRunFolderMark).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// What else lies in it is somebody's own: then the folder is, too.
bool HoldsOnlyYaml(const std::string& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() != ".yaml") return false;
  }
  return !error;
}

bool HoldsConverted(const std::string& folder) {
  const std::string index = folder + "/" + kGitopsIndex;
  struct stat info{};  // a FIFO of that name would block its reader
  if (::stat(index.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  constexpr std::string_view mark = kGitopsMark;
  std::string begin(mark.size(), '\0');
  std::ifstream in(index, std::ios::binary);
  return in.read(begin.data(), static_cast<std::streamsize>(begin.size())) && begin == mark &&
         HoldsOnlyYaml(folder);
}

}  // namespace

bool IsMadeFolder(const std::string& folder) { return HoldsRun(folder) || HoldsConverted(folder); }

}  // namespace pj
