// `paralleljob convert`: a job file as one manifest, or as a folder for `kubectl apply -k`.

#include "base/json.h"
#include "base/words.h"
#include "cli/cluster_form.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/gitops_folder.h"
#include "cli/load_job.h"
#include "cli/portable.h"
#include "cli/print.h"

namespace pj::cli {
namespace {

int ToStdout(const ConvertOptions& options, api::LoadedJob job) {
  if (job.from_azure) {
    if (Status made = MakePortable(options.file.files[0], &job.job); !made) {
      return NotStarted(made.error(), options.file.json);
    }
  }
  if (options.file.json) {
    Print("{}\n", api::ToManifestJson(job.job));
  } else {
    WriteOut(api::ToManifest(job.job));
  }
  return kExitDone;
}

int ToFolder(const ConvertOptions& options, api::LoadedJob job) {
  ClusterFormOptions how = FormOptions(options.file, job);
  how.outputs = options.outputs;
  how.exclude = {options.out_dir};
  Diagnostics findings;
  const ClusterForm form = ToClusterForm(std::move(job.job), how, &findings);
  PrintDiagnostics(findings);
  if (findings.HasErrors()) {
    if (options.file.json) Print("{}\n", NotStartedJson(findings));
    return kExitBadInput;
  }
  const Result<std::vector<std::string>> files = WriteGitopsFolder(form, options.out_dir);
  if (!files) return NotStarted(files.error(), options.file.json);
  for (const std::string& path : form.oversized) {
    PrintNote(path + " is too large for plain `kubectl apply`: add --server-side");
  }
  if (options.file.json) {
    Print("{}\n",
          DumpJson({{"job", form.job.name}, {"folder", options.out_dir}, {"files", *files}}));
  } else {
    Print("{}: {}; kubectl apply -k {}\n", options.out_dir, Count(files->size(), "file"),
          options.out_dir);
  }
  return kExitDone;
}

}  // namespace

int ConvertCommand(const ConvertOptions& options) {
  if (options.out_dir.empty() && !options.outputs.empty()) {
    return NotStarted({Code::kInvalid, "is for --out", "--output",
                       "give --out DIR, or --set spec.outputs[NAME].volume={...}"},
                      options.file.json);
  }
  std::optional<api::LoadedJob> job = LoadOne(options.file);
  if (!job) return kExitBadInput;
  return options.out_dir.empty() ? ToStdout(options, std::move(*job))
                                 : ToFolder(options, std::move(*job));
}

}  // namespace pj::cli
