// `paralleljob validate`: whether a job file is right, and what may stand in one.
#include <fmt/core.h>

#include "api/fields.h"
#include "api/kube_fields.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/load_job.h"
#include "cli/local_checks.h"
#include "cli/print.h"

namespace pj::cli {
namespace {

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
      Print("{}: {}{}\n    {}{}\n", field.path, api::Allowed(field),
            field.required ? ", required" : "", field.description,
            field.default_text.empty() ? "" : fmt::format(" (default {})", field.default_text));
      continue;
    }
    list.push_back(ToJson(field.path, field));
    for (const auto& [path, nested] : api::NestedFields(field)) {
      list.push_back(ToJson(path, *nested));
    }
  }
  if (json) Print("{}\n", DumpJson(list));
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
    const Severity mild = options.strict ? Severity::kError : Severity::kWarning;
    for (const api::LoadedJob& job : loaded) {
      if (found.HasErrors()) break;  // the jobs mean nothing then
      CheckInputs(job, mild, &found);
      CheckPlanning(job, mild, &found);
      CheckScript(job, mild, &found);
    }
    std::move(loaded.begin(), loaded.end(), std::back_inserter(jobs));
    for (const Diagnostic& finding : found.all()) findings.Add(finding);
  }
  if (options.json) {
    Print("{}\n", DumpJson(ToJson(findings, jobs.size())));
  } else {
    PrintDiagnostics(findings);
    if (!findings.HasErrors()) Print("valid: {} job{}\n", jobs.size(), jobs.size() == 1 ? "" : "s");
  }
  return findings.HasErrors() ? kExitBadInput : kExitDone;
}

}  // namespace pj::cli
