#include "base/run_folder.h"

#include <sys/stat.h>

namespace pj {

bool HoldsRun(const std::string& folder) {
  struct stat info{};
  return ::stat((folder + "/" + kRunFolderMark).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace pj
