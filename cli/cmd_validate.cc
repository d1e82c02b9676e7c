// `paralleljob validate`: whether a job file is right, and what may stand in one.
#include <fmt/core.h>

#include <charconv>
#include <filesystem>

#include "api/fields.h"
#include "api/kube_fields.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/environment.h"
#include "cli/exit_codes.h"
#include "cli/load_job.h"

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
  return fs::exists(file) ? file : std::string();
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

void CheckScripts(const std::vector<api::LoadedJob>& jobs, bool strict, Diagnostics* findings) {
  const Result<std::string> python = FindPython();
  for (const api::LoadedJob& job : jobs) {
    const std::string file = ScriptFile(job.job.spec);
    if (file.empty()) continue;
    if (!python) {
      findings->Add({.severity = strict ? Severity::kError : Severity::kWarning,
                     .file = file,
                     .message = "not checked: " + python.error().ToString()});
      return;
    }
    const Result<std::vector<std::string>> found = CheckEntryScript(*python, file);
    if (!found) {
      findings->Add(
          {.severity = Severity::kWarning, .file = file, .message = found.error().ToString()});
      continue;
    }
    for (const std::string& finding : *found) findings->Add(ToDiagnostic(file, finding));
  }
}

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      break;
  }
  return "note";
}

Json ToJson(const Diagnostics& findings, size_t jobs) {
  Json list = Json::array();
  for (const Diagnostic& d : findings.all()) {
    Json finding = DiagnosticJson(d);
    finding["severity"] = SeverityName(d.severity);
    list.push_back(std::move(finding));
  }
  Json out;
  out["valid"] = !findings.HasErrors();
  out["jobs"] = jobs;
  out["findings"] = std::move(list);
  return out;
}

std::string_view WhereUsed(const api::Field& field) {
  if (field.later) return "not supported yet";
  return field.cluster_only ? "cluster" : "everywhere";
}

// Everything that the table knows; the CRD is made from this.
Json ToJson(std::string_view path, const api::Field& field) {
  Json out = {{"field", path},
              {"azure", field.azure},
              {"values", api::Allowed(field)},
              {"type", api::TypeName(field.type)},
              {"default", field.default_text},
              {"required", field.required},
              {"mutable", field.is_mutable},
              {"used", WhereUsed(field)},
              {"meaning", field.description}};
  const api::Limits limits = api::LimitsOf(field);
  if (field.type == api::FieldType::kInteger) {
    out["min"] = field.min;
    out["max"] = field.max;
  } else if (field.type == api::FieldType::kChoice) {
    out["choices"] = field.choices;
    out["laterChoice"] = api::LaterChoice(field);
  } else {
    out["maxItems"] = limits.items;
    out["maxLength"] = limits.length;
    out["minLength"] = limits.least;
  }
  return out;
}

int PrintFields(bool json) {
  Json list = Json::array();
  for (const api::Field& field : api::Fields()) {
    if (!json) {
      fmt::print(
          "{}: {}{}\n    {}{}\n", field.path, api::Allowed(field),
          field.required ? ", required" : "", field.description,
          field.default_text.empty() ? "" : fmt::format(" (default {})", field.default_text));
      continue;
    }
    list.push_back(ToJson(field.path, field));
    for (const auto& [path, nested] : api::NestedFields(field)) {
      list.push_back(ToJson(path, *nested));
    }
  }
  if (json) fmt::print("{}\n", DumpJson(list));
  return kExitDone;
}

}  // namespace

int ValidateCommand(const ValidateOptions& all) {
  if (all.fields) return PrintFields(all.file.json);
  const FileOptions& options = all.file;
  if (options.files.empty()) {
    PrintError({Code::kInvalid, "no job file was named", "validate", "-f FILE, or --fields"});
    return kExitBadInput;
  }
  Diagnostics findings;
  std::vector<api::LoadedJob> jobs;
  for (const std::string& file : options.files) {
    Diagnostics found;  // of this file alone: an error in one does not hide those of the next
    std::vector<api::LoadedJob> loaded =
        api::LoadJobFile(file, ToLoadOptions(options, Severity::kWarning), &found);
    std::move(loaded.begin(), loaded.end(), std::back_inserter(jobs));
    for (const Diagnostic& finding : found.all()) findings.Add(finding);
  }
  CheckScripts(jobs, options.strict, &findings);
  if (options.json) {
    fmt::print("{}\n", DumpJson(ToJson(findings, jobs.size())));
  } else {
    PrintDiagnostics(findings);
    if (!findings.HasErrors())
      fmt::print("valid: {} job{}\n", jobs.size(), jobs.size() == 1 ? "" : "s");
  }
  return findings.HasErrors() ? kExitBadInput : kExitDone;
}

}  // namespace pj::cli
