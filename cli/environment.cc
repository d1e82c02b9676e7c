#include "cli/environment.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/fs.h"
#include "base/process.h"
#include "cli/cached_env.h"

extern char** environ;

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

bool IsProgram(const std::string& path) {
  std::error_code ignored;
  return ::access(path.c_str(), X_OK) == 0 && !fs::is_directory(path, ignored);
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

// Puts a `python` that is the running interpreter first in PATH.
Status PutFirstInPath(const std::string& python, const std::string& scratch,
                      std::map<std::string, std::string>* env) {
  std::string first = fs::path(python).parent_path().string();
  std::error_code ignored;
  if (!IsProgram(first + "/python") || !fs::equivalent(first + "/python", python, ignored)) {
    first = scratch + "/bin";
    PJ_TRY(MakeDirs(first));
    for (const char* name : {"/python", "/python3"}) {
      fs::remove(first + name, ignored);
      fs::create_symlink(python, first + name, ignored);
    }
  }
  const std::string path = (*env)["PATH"];
  (*env)["PATH"] = path.empty() ? first : first + ":" + path;
  return {};
}

// The current environment is used as it is; a pin that it does not meet is said.
Status WarnOfPin(const api::Environment& wanted, PythonEnvironment* made) {
  const Result<CondaFile> conda = ReadCondaFile(wanted);
  if (!conda) made->warnings.push_back("not checked: " + conda.error().ToString());
  if (!conda || conda->python_pin.empty()) return {};
  PJ_ASSIGN(const std::string version, PythonVersion(made->python));
  if (SatisfiesPin(version, conda->python_pin)) return {};
  made->warnings.push_back(
      fmt::format("the job asks for Python {}, and {} is {}; --env venv can "
                  "bring another",
                  conda->python_pin, made->python, version));
  return {};
}

}  // namespace

Result<std::string> FindPython() {
  if (const std::string chosen = GetEnv("PARALLELJOB_PYTHON"); !chosen.empty()) {
    if (IsProgram(chosen)) return chosen;
    return Fail(Code::kUnavailable, "no program there", "PARALLELJOB_PYTHON=" + chosen);
  }
  if (const std::string venv = GetEnv("VIRTUAL_ENV");
      !venv.empty() && IsProgram(venv + "/bin/python3")) {
    return venv + "/bin/python3";
  }
  if (std::string python = FindProgram("python3"); !python.empty()) return python;
  return Fail(Code::kUnavailable, "no python3 on PATH", "",
              "install Python ≥ 3.8, or set PARALLELJOB_PYTHON");
}

Result<std::string> FindRuntimeDir() {
  if (const std::string chosen = GetEnv("PARALLELJOB_RUNTIME"); !chosen.empty()) return chosen;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path base = self.parent_path().parent_path();
  for (const char* place : {"python_runtime", "lib/paralleljob/python"}) {
    if (fs::exists(base / place / "paralleljob" / "zygote.py", error)) {
      return (base / place).string();
    }
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
    PJ_ASSIGN(made.python, CachedEnvPython(made.python, wanted));
    made.env.erase("PYTHONPATH");
    made.env.erase("PYTHONHOME");
  } else if (!wanted.conda_file.empty() || !wanted.pip.empty()) {
    made.notes.push_back(
        "the job's Python packages are taken from the current environment "
        "(task.environment.condaFile and pip are for --env venv)");
    PJ_TRY(WarnOfPin(wanted, &made));
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
found = []  # what may make the module's `run`
inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
def look(node):  # names within functions and classes are not the module's
    if isinstance(node, inner):
        if node.name == "run": found.append(node)
        return
    if isinstance(node, ast.Lambda): return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == "run":
        found.append(node)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        if any((a.asname or a.name) in ("run", "*") for a in node.names): found.append(node)
    for child in ast.iter_child_nodes(node): look(child)
look(tree)
for node in ast.walk(tree):  # may define any name, from anywhere
    if isinstance(node, ast.Name) and node.id in ("exec", "globals", "setattr") or (
            isinstance(node, ast.Global) and "run" in node.names): found.append(node)
if not found:
    print("0: no function run(mini_batch)")
elif all(isinstance(node, ast.AsyncFunctionDef) for node in found):
    print("%d: run must be an ordinary function, not async" % found[0].lineno)
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
