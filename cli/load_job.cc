#include "cli/load_job.h"

#include <fmt/core.h>

#include "cli/console.h"
#include "cli/print.h"

namespace pj::cli {

api::LoadOptions ToLoadOptions(const FileOptions& options, Severity registered_environment) {
  api::LoadOptions load;
  load.input_paths = options.input_paths;
  load.images = options.images;
  load.set = options.set;
  load.strict = options.strict;
  load.registered_environment = registered_environment;
  return load;
}

std::optional<api::LoadedJob> LoadOne(const FileOptions& options, Severity registered_environment) {
  Diagnostics findings;
  std::vector<api::LoadedJob> jobs;
  if (options.files.size() != 1) {
    findings.Add({.message = "this command takes one job file", .hint = "give -f once"});
  } else {
    jobs = api::LoadJobFile(options.files[0], ToLoadOptions(options, registered_environment),
                            &findings);
    if (!findings.HasErrors() && jobs.size() != 1) {
      findings.Add({.file = options.files[0],
                    .message = fmt::format("the file holds {} jobs, one is needed", jobs.size()),
                    .hint = "put each job into a file of its own"});
    }
  }
  PrintDiagnostics(findings);
  if (!findings.HasErrors()) return std::move(jobs[0]);
  if (options.json) Print("{}\n", NotStartedJson(findings));
  return std::nullopt;
}

}  // namespace pj::cli
