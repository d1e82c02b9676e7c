#include "worker/pod/install.h"

#include <filesystem>
#include <initializer_list>
#include <system_error>

#include "base/fs.h"
#include "worker/code_copy.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;

// The first of `places`, below the folder above the program's own, that holds `file`.
Result<fs::path> Find(std::initializer_list<const char*> places, const char* file) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path base = self.parent_path().parent_path();
  for (const char* place : places) {
    if (fs::exists(base / place / file, error)) return base / place;
  }
  return Fail(Code::kNotFound, std::string("there is no ") + file + " beside the program",
              base.string(), "run `install` of a complete image");
}

// Whole or not at all: a new file or folder takes the place of the old one when it is complete.
Status Replace(const fs::path& fresh, const fs::path& target) {
  std::error_code error;
  if (fs::is_directory(target, error)) fs::remove_all(target, error);
  fs::rename(fresh, target, error);
  if (error) return FailWrite(error.value(), "cannot install", target.string(), 0);
  return {};
}

}  // namespace

Status InstallRuntime(const std::string& dir) {
  PJ_ASSIGN(const fs::path programs,
            Find({"worker/host", "lib/paralleljob/bin"}, "paralleljob-host"));
  PJ_ASSIGN(const fs::path python,
            Find({"python_runtime", "lib/paralleljob/python"}, "paralleljob/zygote.py"));
  const fs::path to(dir);
  PJ_TRY(MakeDirs(to / "bin"));
  const fs::path host = to / "bin" / "paralleljob-host.new";
  std::error_code error;
  fs::copy_file(programs / "paralleljob-host", host, fs::copy_options::overwrite_existing, error);
  if (error) return FailWrite(error.value(), "cannot install", host.string(), 0);
  PJ_TRY(Replace(host, to / "bin" / "paralleljob-host"));
  const fs::path packages = to / "python.new";
  fs::remove_all(packages, error);
  PJ_TRY(CopyCode(python, packages, {}));
  return Replace(packages, to / "python");
}

}  // namespace pj::worker
