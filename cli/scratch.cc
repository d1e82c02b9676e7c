#include "cli/scratch.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>

#include "base/fs.h"
#include "base/process.h"

namespace pj::cli {

Result<std::string> MakeScratchFolder(const std::string& prefix) {
  const std::string chosen = GetEnv("TMPDIR");
  std::error_code error;
  const auto base = std::filesystem::absolute(chosen.empty() ? "/tmp" : chosen, error);
  if (error) return FailErrno(error.value(), "cannot resolve TMPDIR", chosen);
  std::string path = (base.lexically_normal() / (prefix + "XXXXXX")).string();
  if (::mkdtemp(path.data()) != nullptr) return path;
  auto failed = FailWrite(errno, "cannot make a scratch folder", path, 0);
  if (failed.error().hint.empty()) failed.error().hint = "set TMPDIR to a folder that is there";
  return failed;
}

}  // namespace pj::cli
