#include "api/validate_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "api/nearest_name.h"

namespace pj::api {
namespace {

namespace fs = std::filesystem;
constexpr char kScript[] = "spec.task.entryScript";
constexpr size_t kShownScripts = 200;  // looked at for a suggestion

bool IsModule(std::string_view name) {
  bool start = true;  // of an identifier
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
    const bool digit = c >= '0' && c <= '9';
    if (c == '.' ? start : !(letter || (digit && !start))) return false;
    start = c == '.';
  }
  return !start;
}

void Report(const Places& places, const std::string& path, std::string message, std::string hint,
            Diagnostics* out) {
  Diagnostic d = places.At(path);
  d.message = std::move(message);
  d.hint = std::move(hint);
  out->Add(std::move(d));
}

// False after a report.
bool CheckScriptName(const Places& places, const std::string& script, Diagnostics* out) {
  if (!script.ends_with(".py")) {
    if (IsModule(script)) return true;
    Report(places, kScript, "is neither a .py file nor a dotted module", "write score.py", out);
    return false;
  }
  const fs::path path(script);
  const bool leads_out = path.is_absolute() || std::any_of(path.begin(), path.end(),
                                                           [](const auto& p) { return p == ".."; });
  const bool control = std::any_of(script.begin(), script.end(),
                                   [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (!leads_out && !control) return true;
  Report(places, kScript,
         control ? "holds a control character" : "must be a path below the code folder",
         "name the script relative to spec.task.code", out);
  return false;
}

// The scripts of a folder, for a suggestion.
std::string Suggest(const fs::path& folder, const std::string& script) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".py") names.push_back(entry->path().filename().string());
    if (names.size() == kShownScripts) break;
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? "the folder holds no .py file"
                       : SuggestName(script, {names.begin(), names.end()});
}

bool HasScript(const fs::path& folder, const std::string& script) {
  std::error_code error;
  if (script.ends_with(".py")) return fs::is_regular_file(folder / script, error);
  std::string path = script;
  std::replace(path.begin(), path.end(), '.', '/');
  return fs::is_regular_file(folder / (path + ".py"), error) ||
         fs::is_regular_file(folder / path / "__init__.py", error);
}

}  // namespace

std::string ResolvePath(const std::string& base_dir, const std::string& path) {
  return (fs::path(base_dir) / path).lexically_normal().string();
}

std::map<std::string, Diagnostic> LaterPlaces(const Places& places, const LoadOptions& options,
                                              const ParallelJob& job) {
  std::map<std::string, Diagnostic> out;
  for (const char* field :
       {"spec.inputData", "spec.miniBatchSize", "spec.partitionKeys", "spec.instanceCount",
        "spec.maxConcurrencyPerInstance", "spec.task.code"}) {
    out.emplace(field, places.At(field));
  }
  for (const Input& input : job.spec.inputs) {
    if (input.type == DataType::kLiteral) continue;
    const std::string field = fmt::format("spec.inputs[{}].path", input.name);
    const bool typed = std::ranges::any_of(
        options.input_paths, [&input](const auto& given) { return given.second == input.path; });
    Diagnostic place = places.At(field);
    if (typed) place = {.file = places.file(), .field = field};
    place.value.clear();
    out.emplace(field, std::move(place));
    const std::string whole = fmt::format("spec.inputs[{}]", input.name);
    out.emplace(whole, places.At(whole));
  }
  return out;
}

void CheckScript(const Places& places, const Task& task, bool check_files, Diagnostics* out) {
  const std::string& script = task.entry_script;
  const bool written = !script.empty() || places.Has(kScript);
  const bool named = written && CheckScriptName(places, script, out);
  if (!check_files) return;
  const Environment& environment = task.environment;
  std::error_code error;
  if (!environment.conda_file.empty() && environment.conda_file.find('\n') == std::string::npos) {
    const std::string path = ResolvePath(environment.base_dir, environment.conda_file);
    if (!fs::is_regular_file(path, error)) {
      Report(places, "spec.task.environment.condaFile", fmt::format("there is no file {}", path),
             "paths count from the file that names them", out);
    }
  }
  if (task.code.source != Code::Source::kLocal ||
      task.code.local.find("://") != std::string::npos) {
    return;
  }
  const std::string folder = ResolvePath(task.code.base_dir, task.code.local);
  if (!fs::is_directory(folder, error)) {
    return Report(places, "spec.task.code.local", fmt::format("there is no folder {}", folder),
                  "paths count from the file that names them", out);
  }
  if (named && !HasScript(folder, script)) {
    Report(places, kScript, fmt::format("is not in {}", folder), Suggest(folder, script), out);
  }
}

}  // namespace pj::api
