#include "cli/local_checks.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "cli/cached_env.h"
#include "cli/conda.h"
#include "cli/environment.h"
#include "cli/resolve.h"
#include "worker/planning.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

// The entry script as a file, or nothing where it is a module that only the environment has.
std::string ScriptFile(const api::ParallelJobSpec& spec) {
  if (spec.task.code.source != api::Code::Source::kLocal) return {};
  fs::path folder = spec.task.code.local;
  if (folder.is_relative()) folder = fs::path(spec.task.code.base_dir) / folder;
  std::string relative = spec.task.entry_script;
  if (!relative.ends_with(".py")) {
    for (char& c : relative) c = c == '.' ? '/' : c;
    relative += ".py";
  }
  const std::string file = (folder / relative).string();
  std::error_code ignored;  // a slot that cannot read it tells why
  return fs::exists(file, ignored) ? file : std::string();
}

// "12: syntax error: …" from the check becomes a finding at that line of the script.
Diagnostic ToDiagnostic(const std::string& file, const std::string& finding) {
  Diagnostic d;
  d.file = file;
  d.column = 1;
  const size_t colon = finding.find(": ");
  std::from_chars(finding.data(), finding.data() + colon, d.line);
  d.message = colon == std::string::npos ? finding : finding.substr(colon + 2);
  d.hint = "the entry script needs run(mini_batch), and may have init() and shutdown()";
  return d;
}

}  // namespace

void CheckScript(const api::LoadedJob& job, Severity unchecked, Diagnostics* findings) {
  const std::string file = ScriptFile(job.job.spec);
  if (file.empty()) return;
  const Result<std::string> python = FindPython();
  if (!python) {
    return findings->Add({.severity = unchecked,
                          .file = file,
                          .message = "not checked: " + python.error().ToString()});
  }
  const Result<std::vector<std::string>> found = CheckEntryScript(*python, file);
  if (!found) {
    return findings->Add(
        {.severity = Severity::kWarning, .file = file, .message = found.error().ToString()});
  }
  for (const std::string& finding : *found) findings->Add(ToDiagnostic(file, finding));
}

bool ChecksWithItsPython(const api::LoadedJob& job, const std::string& env) {
  if (env != "venv") return true;
  const Result<CondaFile> conda = ReadCondaFile(job.job.spec.task.environment);
  const Result<std::string> python = FindPython();
  if (!conda || !python) return false;  // said when the environment is made
  if (conda->python_pin.empty()) return true;
  const Result<std::string> version = PythonVersion(*python);
  return version && SatisfiesPin(*version, conda->python_pin);
}

void CheckInputs(const api::LoadedJob& job, Severity severity, Diagnostics* findings) {
  for (const api::Input& input : job.job.spec.inputs) {
    if (input.type == api::DataType::kLiteral || !input.volume.empty() || input.path.empty()) {
      continue;
    }
    const Result<std::string> path = InputPath(input);
    if (path) continue;
    Diagnostic finding = job.At("spec.inputs[" + input.name + "].path");
    finding.severity = severity;
    const std::string& where = path.error().where;  // "spec.inputs[NAME]: /absolute/path"
    finding.message = path.error().message + where.substr(std::min(where.find(": "), where.size()));
    finding.hint = path.error().hint;
    findings->Add(std::move(finding));
  }
}

void CheckPlanning(const api::LoadedJob& job, std::optional<Severity> warn, Diagnostics* findings) {
  const api::ParallelJobSpec& spec = job.job.spec;
  std::map<std::string, std::string> paths;
  for (const std::string& name : spec.input_data) {
    const api::Input* input = spec.FindInput(name);
    if (input == nullptr || input->type == api::DataType::kLiteral || !input->volume.empty()) {
      return;
    }
    const Result<std::string> path = InputPath(*input);
    if (!path) return;
    paths[name] = *path;
  }
  std::vector<std::string> warnings;
  const auto request = worker::MakePlanRequest(spec, paths, {.azure = job.from_azure}, &warnings);
  if (!request) {
    const Error& error = request.error();
    const bool placed = job.places.contains(error.where);
    Diagnostic finding = job.At(placed ? error.where : "spec.inputData");
    finding.message = error.message + (placed || error.where.empty() ? "" : ": " + error.where);
    finding.hint = error.hint;
    findings->Add(std::move(finding));
  }
  for (const std::string& text : warnings) {
    if (!warn) break;
    Diagnostic finding = job.At("spec.inputData");
    finding.severity = *warn;
    finding.message = text;
    findings->Add(std::move(finding));
  }
}

}  // namespace pj::cli
