#include "cli/cached_env.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>

#include "base/fs.h"
#include "base/hash.h"
#include "base/process.h"
#include "cli/console.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kCondaField[] = "spec.task.environment.condaFile";

std::string CacheDir() {
  const std::string xdg = GetEnv("XDG_CACHE_HOME");
  return (xdg.empty() ? GetEnv("HOME") + "/.cache" : xdg) + "/paralleljob";
}

// The text of the Conda file, whether it was given in place or as a path; `where` names it.
Result<std::string> CondaText(const api::Environment& environment, std::string* where) {
  *where = kCondaField;
  if (environment.conda_file.empty()) return std::string();
  if (environment.conda_file.find('\n') != std::string::npos) return environment.conda_file;
  fs::path path = environment.conda_file;
  if (path.is_relative() && !environment.base_dir.empty())
    path = fs::path(environment.base_dir) / path;
  *where = path.string();
  return ReadFile(path.string(), 1 << 20);
}

// The folder that paths in it count from.
std::string FolderOf(const api::Environment& environment) {
  const bool path = environment.conda_file.find('\n') == std::string::npos;
  const fs::path base = environment.base_dir.empty() ? "." : environment.base_dir;
  return path ? (base / environment.conda_file).parent_path().string() : base.string();
}

// Runs a step of the installation; its output is the message if it fails.
Status Install(const std::vector<std::string>& argv, const std::string& what,
               const std::string& dir, const std::string& hint) {
  PJ_ASSIGN(ProcessResult done, RunProcess(argv));
  if (done.exit_code == 0) return {};
  return Fail(Code::kUnavailable, what + ": " + done.output, dir, hint);
}

// A line's path counts from the folder of the file that names it: "-r more.txt", "./x.whl".
struct Requirement {
  std::string line;
  std::string reads;  // of a line that names another file of requirements
};
Requirement FromFolder(const std::string& line, const std::string& folder) {
  static constexpr std::string_view kFiles[] = {"-r", "-c", "--requirement", "--constraint"};
  static constexpr std::string_view kPaths[] = {"-e", "-f", "--editable", "--find-links"};
  size_t begin = 0;
  bool reads = false;
  if (line.starts_with('-')) {
    const size_t end = std::min(line.find_first_of(" ="), line.size());
    const std::string_view option = std::string_view(line).substr(0, end);
    reads = std::ranges::find(kFiles, option) != std::end(kFiles);
    begin = line.find_first_not_of(" =", end);
    const bool path = reads || std::ranges::find(kPaths, option) != std::end(kPaths);
    if (!path || begin == std::string::npos) return {line, ""};
  } else if (!line.starts_with("./") && !line.starts_with("../")) {
    return {line, ""};
  }
  std::string path = line.substr(begin);
  if (path.find("://") != std::string::npos) return {line, ""};
  std::error_code error;
  const fs::path base = fs::absolute(folder, error);
  path = ((error ? fs::path(folder) : base) / path).lexically_normal().string();
  return {line.substr(0, begin) + path, reads ? path : ""};
}

// As lines of a requirements file, so that options ("--extra-index-url URL", "-e .") are options.
Status PipInstall(const std::string& dir, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return {};
  const std::string file = dir + ".requirements.txt";
  PJ_TRY(WriteFileAtomic(file, fmt::format("{}\n", fmt::join(wanted, "\n"))));
  const std::vector<std::string> install = {
      dir + "/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
      "--requirement",      file};
  return Install(install, "pip could not install the packages", dir,
                 "mend pip: or condaFile, or use --env current");
}

// The folder of the environment with this content, made by `build` if it is not there yet.
Result<std::string> Cached(const std::string& content,
                           const std::function<Status(const std::string& dir)>& build) {
  const std::string dir = CacheDir() + "/envs/" + Sha256Hex(content).substr(0, 16);
  PJ_TRY(MakeDirs(CacheDir() + "/envs"));
  PJ_ASSIGN(UniqueFd lock, OpenFile(dir + ".lock", O_RDWR | O_CREAT));
  ::flock(lock.get(), LOCK_EX);
  if (::access((dir + "/paralleljob.ready").c_str(), F_OK) != 0) {
    std::error_code error;
    fs::remove_all(dir, error);
    if (error) return FailErrno(error.value(), "cannot remove an unfinished environment", dir);
    PrintNote("making an environment with the job's packages, once: " + dir);
    PJ_TRY(build(dir));
    PJ_TRY(WriteFileAtomic(dir + "/paralleljob.ready", "ready\n"));
  }
  return dir + "/bin/python3";
}

Result<std::string> Venv(const std::string& python, const std::vector<std::string>& lines,
                         const std::string& folder) {
  std::vector<std::string> wanted;
  std::string content = python;
  for (const std::string& line : lines) {
    const Requirement requirement = FromFolder(line, folder);
    wanted.push_back(requirement.line);
    content += "\n" + requirement.line;
    if (requirement.reads.empty()) continue;
    PJ_ASSIGN(const std::string text, ReadFile(requirement.reads, 1 << 20));
    content += "\n" + text;
  }
  return Cached(content, [&](const std::string& dir) -> Status {
    PJ_TRY(Install({python, "-m", "venv", dir}, "cannot make a virtual environment", dir,
                   "install python3-venv, or use --env current"));
    return PipInstall(dir, wanted);
  });
}

Result<std::string> Micromamba(const std::string& program, const api::Environment& wanted) {
  std::string where;
  PJ_ASSIGN(const std::string text, CondaText(wanted, &where));
  return Cached(
      fmt::format("micromamba\n{}\n{}", text, fmt::join(wanted.pip, "\n")),
      [&](const std::string& dir) -> Status {
        const std::string file = dir + ".yml";
        PJ_TRY(WriteFileAtomic(file, text));
        PJ_TRY(Install({program, "create", "--yes", "--quiet", "--prefix", dir, "--file", file},
                       "micromamba could not make the environment", where,
                       "mend condaFile, or use --env current"));
        if (::access((dir + "/bin/python3").c_str(), X_OK) != 0) {
          return Fail(Code::kInvalid, "the environment has no Python", where,
                      "add python to its dependencies");
        }
        return PipInstall(dir, wanted.pip);
      });
}

// `python` if the pin takes it, else the first python3.X of PATH that it takes; empty: none.
Result<std::string> PinnedPython(const std::string& python, const std::string& pin) {
  if (pin.empty()) return python;
  PJ_ASSIGN(const std::string version, PythonVersion(python));
  if (SatisfiesPin(version, pin)) return python;
  for (int minor = 30; minor >= 8; --minor) {
    const std::string other = FindProgram(fmt::format("python3.{}", minor));
    if (other.empty()) continue;
    const Result<std::string> others = PythonVersion(other);
    if (others && SatisfiesPin(*others, pin)) return other;
  }
  return std::string();
}

}  // namespace

Result<std::string> PythonVersion(const std::string& python) {
  PJ_ASSIGN(
      ProcessResult said,
      RunProcess({python, "-IS", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"}));
  if (said.exit_code != 0) {
    return Fail(Code::kUnavailable, "the interpreter does not run: " + said.output, python);
  }
  while (!said.output.empty() && said.output.back() == '\n') said.output.pop_back();
  return said.output;
}

Result<CondaFile> ReadCondaFile(const api::Environment& environment) {
  std::string where;
  PJ_ASSIGN(const std::string text, CondaText(environment, &where));
  return ParseCondaFile(text, where);
}

Result<std::string> CachedEnvPython(const std::string& python, const api::Environment& wanted) {
  PJ_ASSIGN(const CondaFile conda, ReadCondaFile(wanted));
  PJ_ASSIGN(const std::string base, PinnedPython(python, conda.python_pin));
  if (!base.empty() && conda.packages.empty()) {
    std::vector<std::string> all = wanted.pip;
    all.insert(all.end(), conda.pip.begin(), conda.pip.end());
    return Venv(base, all, FolderOf(wanted));
  }
  const std::string micromamba = FindProgram("micromamba");
  if (!micromamba.empty()) return Micromamba(micromamba, wanted);
  if (!conda.packages.empty()) {
    return Fail(Code::kInvalid,
                fmt::format("Conda packages outside pip: need micromamba, which is not here: {}",
                            fmt::join(conda.packages, ", ")),
                kCondaField, "move them below pip:, install micromamba, or use --env current");
  }
  return Fail(
      Code::kInvalid,
      fmt::format("no Python {} is here, and no micromamba that could bring one", conda.python_pin),
      kCondaField, "change the pin, set PARALLELJOB_PYTHON to such a Python, or use --env current");
}

}  // namespace pj::cli
