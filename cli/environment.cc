#include "cli/environment.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/fs.h"
#include "base/hash.h"
#include "cli/process.h"

extern char** environ;

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool IsProgram(const std::string& path) {
  return ::access(path.c_str(), X_OK) == 0 && !fs::is_directory(path);
}

std::map<std::string, std::string> CallersEnvironment() {
  std::map<std::string, std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos && equals > 0)
      env[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return env;
}

std::string CacheDir() {
  const std::string xdg = Env("XDG_CACHE_HOME");
  return (xdg.empty() ? Env("HOME") + "/.cache" : xdg) + "/paralleljob";
}

// The text of the Conda file, whether it was given in place or as a path.
Result<std::string> CondaText(const api::Environment& environment) {
  if (environment.conda_file.find('\n') != std::string::npos) return environment.conda_file;
  fs::path path = environment.conda_file;
  if (path.is_relative() && !environment.base_dir.empty())
    path = fs::path(environment.base_dir) / path;
  return ReadFile(path.string(), 1 << 20);
}

struct CondaNeeds {
  std::vector<std::string> pip;
  std::vector<std::string> conda;  // packages outside pip:, python itself left out
  std::string python_pin;
};

// The list form that Conda environment files have: "- name=1.0" and "- pip:" with a nested list.
CondaNeeds ReadConda(const std::string& text) {
  CondaNeeds needs;
  std::istringstream lines(text);
  std::string line;
  bool in_dependencies = false;
  size_t pip_indent = std::string::npos;
  while (std::getline(lines, line)) {
    const size_t hash = line.find(" #");
    if (hash != std::string::npos) line.erase(hash);
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos || line[begin] == '#') continue;
    const size_t end = line.find_last_not_of(" \r");
    std::string word = line.substr(begin, end - begin + 1);
    if (!word.starts_with("-")) {
      if (begin == 0) in_dependencies = word.starts_with("dependencies:");
      continue;
    }
    if (!in_dependencies) continue;
    word = word.substr(word.find_first_not_of("- "));
    if (pip_indent != std::string::npos && begin > pip_indent) {
      needs.pip.push_back(word);
      continue;
    }
    pip_indent = std::string::npos;
    if (word == "pip:") {
      pip_indent = begin;
    } else if (word.starts_with("python=") || word.starts_with("python>") ||
               word.starts_with("python<")) {
      needs.python_pin = word.substr(6);
    } else if (word != "python" && word != "pip" && !word.starts_with("pip=")) {
      needs.conda.push_back(word);
    }
  }
  return needs;
}

// All pip requirements of the job; packages that only Conda has are an error that names them.
Result<std::vector<std::string>> Requirements(const api::Environment& environment) {
  std::vector<std::string> wanted = environment.pip;
  if (environment.conda_file.empty()) return wanted;
  PJ_ASSIGN(std::string text, CondaText(environment));
  const CondaNeeds needs = ReadConda(text);
  if (!needs.conda.empty()) {
    std::string names;
    for (const std::string& name : needs.conda) names += (names.empty() ? "" : ", ") + name;
    return Fail(Code::kInvalid, "Conda packages outside pip: cannot be installed here: " + names,
                "spec.task.environment.condaFile", "move them below pip:, or use --env current");
  }
  wanted.insert(wanted.end(), needs.pip.begin(), needs.pip.end());
  return wanted;
}

Status BuildVenv(const std::string& python, const std::string& dir,
                 const std::vector<std::string>& wanted) {
  fs::remove_all(dir);
  PJ_ASSIGN(ProcessResult made, RunProcess({python, "-m", "venv", dir}));
  if (made.exit_code != 0) {
    return Fail(Code::kUnavailable, "cannot make a virtual environment: " + made.output, dir,
                "install python3-venv, or use --env current");
  }
  std::vector<std::string> install = {
      dir + "/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"};
  install.insert(install.end(), wanted.begin(), wanted.end());
  if (!wanted.empty()) {
    PJ_ASSIGN(ProcessResult installed, RunProcess(install));
    if (installed.exit_code != 0) {
      return Fail(Code::kUnavailable, "pip could not install the packages: " + installed.output,
                  dir, "mend pip: or condaFile, or use --env current");
    }
  }
  return WriteFileAtomic(dir + "/paralleljob.ready", "ready\n");
}

// A virtual environment per content hash of interpreter and requirements, below the cache.
Result<std::string> VenvPython(const std::string& python, const std::vector<std::string>& wanted) {
  std::string content = python;
  for (const std::string& word : wanted) content += "\n" + word;
  const std::string dir = CacheDir() + "/envs/" + Sha256Hex(content).substr(0, 16);
  PJ_TRY(MakeDirs(CacheDir() + "/envs"));
  PJ_ASSIGN(UniqueFd lock, OpenFile(dir + ".lock", O_RDWR | O_CREAT));
  ::flock(lock.get(), LOCK_EX);
  if (!fs::exists(dir + "/paralleljob.ready")) PJ_TRY(BuildVenv(python, dir, wanted));
  return dir + "/bin/python3";
}

// Puts a `python` that is the running interpreter first in PATH.
Status PutFirstInPath(const std::string& python, const std::string& scratch,
                      std::map<std::string, std::string>* env) {
  std::string first = fs::path(python).parent_path().string();
  if (!IsProgram(first + "/python") || !fs::equivalent(first + "/python", python)) {
    first = scratch + "/bin";
    PJ_TRY(MakeDirs(first));
    for (const char* name : {"/python", "/python3"}) {
      std::error_code ignored;
      fs::remove(first + name, ignored);
      fs::create_symlink(python, first + name, ignored);
    }
  }
  const std::string path = (*env)["PATH"];
  (*env)["PATH"] = path.empty() ? first : first + ":" + path;
  return {};
}

}  // namespace

Result<std::string> FindPython() {
  if (const std::string chosen = Env("PARALLELJOB_PYTHON"); !chosen.empty()) {
    if (IsProgram(chosen)) return chosen;
    return Fail(Code::kUnavailable, "no program there", "PARALLELJOB_PYTHON=" + chosen);
  }
  if (const std::string venv = Env("VIRTUAL_ENV");
      !venv.empty() && IsProgram(venv + "/bin/python3")) {
    return venv + "/bin/python3";
  }
  std::istringstream path(Env("PATH"));
  std::string dir;
  while (std::getline(path, dir, ':')) {
    if (!dir.empty() && IsProgram(dir + "/python3")) return fs::absolute(dir + "/python3").string();
  }
  return Fail(Code::kUnavailable, "no python3 on PATH", "",
              "install Python ≥ 3.8, or set PARALLELJOB_PYTHON");
}

Result<std::string> FindRuntimeDir() {
  if (const std::string chosen = Env("PARALLELJOB_RUNTIME"); !chosen.empty()) return chosen;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path base = self.parent_path().parent_path();
  for (const char* place : {"python_runtime", "lib/paralleljob/python"}) {
    if (fs::exists(base / place / "paralleljob" / "zygote.py")) return (base / place).string();
  }
  return Fail(Code::kUnavailable, "the Python runtime is not beside the program", base.string(),
              "set PARALLELJOB_RUNTIME to the folder that holds the package paralleljob");
}

Result<PythonEnvironment> PrepareEnvironment(const api::ParallelJobSpec& spec,
                                             const std::string& kind, const std::string& scratch) {
  PythonEnvironment made;
  PJ_ASSIGN(made.python, FindPython());
  const api::Environment& wanted = spec.task.environment;
  made.env = CallersEnvironment();
  if (kind == "venv") {
    PJ_ASSIGN(std::vector<std::string> requirements, Requirements(wanted));
    PJ_ASSIGN(made.python, VenvPython(made.python, requirements));
    made.env.erase("PYTHONPATH");
    made.env.erase("PYTHONHOME");
  } else if (!wanted.conda_file.empty() || !wanted.pip.empty()) {
    made.notes.push_back(
        "the job's Python packages are taken from the current environment "
        "(task.environment.condaFile and pip are for --env venv)");
  }
  PJ_TRY(PutFirstInPath(made.python, scratch, &made.env));
  for (const auto& [name, value] : wanted.variables) made.env[name] = value;
  for (const auto& [name, value] : spec.environment_variables) made.env[name] = value;
  return made;
}

Result<std::vector<std::string>> CheckEntryScript(const std::string& python,
                                                  const std::string& file) {
  static constexpr char kCheck[] = R"PY(
import ast, sys
path = sys.argv[1]
try:
    with open(path, "rb") as f:
        tree = ast.parse(f.read(), path)
except SyntaxError as e:
    print("%d: syntax error: %s" % (e.lineno or 0, e.msg)); sys.exit(0)
except ValueError as e:
    print("0: cannot be read: %s" % e); sys.exit(0)
names = {}
star = False
for node in ast.walk(tree):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        names.setdefault(node.name, node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        names.setdefault(node.id, node)
    elif isinstance(node, ast.ImportFrom):
        star = star or any(a.name == "*" for a in node.names)
        for a in node.names: names.setdefault(a.asname or a.name, node)
    elif isinstance(node, ast.Import):
        for a in node.names: names.setdefault(a.asname or a.name, node)
run = names.get("run")
if run is None and not star:
    print("0: no function run(mini_batch)")
elif isinstance(run, ast.AsyncFunctionDef):
    print("%d: run must be an ordinary function, not async" % run.lineno)
)PY";
  PJ_ASSIGN(ProcessResult checked, RunProcess({python, "-I", "-c", kCheck, file}));
  if (checked.exit_code != 0) {
    return Fail(Code::kUnavailable, "cannot check the entry script: " + checked.output, file);
  }
  std::vector<std::string> findings;
  std::istringstream lines(checked.output);
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.empty()) findings.push_back(line);
  }
  return findings;
}

}  // namespace pj::cli
