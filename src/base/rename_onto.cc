#include "base/rename_onto.h"

#include <cerrno>
#include <cstdio>

namespace pj {

Status RenameOnto(const std::string& from, const std::string& to,
                  const RenameOntoOptions& options) {
  const int done =
      options.rename ? options.rename(from, to) : std::rename(from.c_str(), to.c_str());
  if (done == 0) return {};
  const int error = errno;
  if (error == ENOENT && options.is_there()) return {};
  return FailErrno(error, "cannot rename onto", to);
}

}  // namespace pj
