// `paralleljob submit`: a job file as a job of a cluster, its code and small inputs with it.
#include <fmt/core.h>

#include "base/json.h"
#include "cli/cluster_form.h"
#include "cli/cluster_target.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/job_submit.h"
#include "cli/job_wait.h"
#include "cli/load_job.h"
#include "cli/print.h"

namespace pj::cli {
namespace {

using Outcome = Submitted::Outcome;

std::string Told(const Submitted& submitted, const ClusterForm& form) {
  const std::string job = fmt::format("{} in namespace {}", form.job.name, form.job.ns);
  if (submitted.outcome == Outcome::kUnchanged) return job + ": unchanged";
  if (submitted.outcome == Outcome::kCreated) {
    return fmt::format("{}: created; `paralleljob status {}` shows how it goes", job,
                       form.job.name);
  }
  std::string names;
  for (const std::string& name : submitted.changed) names += (names.empty() ? "" : ", ") + name;
  return fmt::format("{}: changed {}", job, names);
}

const char* NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCreated:
      return "created";
    case Outcome::kUpdated:
      return "changed";
    case Outcome::kUnchanged:
      break;
  }
  return "unchanged";
}

void PrintJob(const SubmitOptions& options, const JobView& job, Outcome outcome) {
  if (options.file.json) {
    Json out = ToJson(job);
    out["submitted"] = NameOf(outcome);
    Print("{}\n", DumpJson(out));
    return;
  }
  WriteOut(OutputsText(job));
  if (!job.outputs.empty()) PrintNote(FetchHint(job));
}

// The job is there, and what becomes of it cannot be told: deleted, or no API server to ask.
int LostSight(const SubmitOptions& options, const ClusterForm& form, Outcome outcome,
              const Error& error) {
  PrintError(error);
  if (options.file.json) {
    Json out = ParseJson(FailureJson(error)).value_or(Json::object());
    out["job"] = form.job.name;
    out["namespace"] = form.job.ns;
    out["state"] = "Unfinished";
    out["submitted"] = NameOf(outcome);
    Print("{}\n", DumpJson(out));
  }
  return kExitCouldNotRun;
}

int Interrupted(const SubmitOptions& options, kube::Api* api, const ClusterForm& form,
                Outcome outcome) {
  const std::string& name = form.job.name;
  PrintNote(fmt::format("{} goes on; `paralleljob cancel {}` ends it", name, name));
  if (options.file.json) {
    if (const Result<JobView> now = GetJob(api, form.job.ns, name)) {
      PrintJob(options, *now, outcome);
    } else {
      LostSight(options, form, outcome, now.error());
    }
  }
  return kExitInterrupted;
}

int Wait(const SubmitOptions& options, kube::Api* api, const ClusterForm& form, Outcome outcome) {
  const Result<std::optional<JobView>> end = WaitForJob(api, form.job.ns, form.job.name);
  if (!end) return LostSight(options, form, outcome, end.error());
  if (!*end) return Interrupted(options, api, form, outcome);
  const JobView& job = **end;
  if (!job.complete) {
    PrintErr("error: {}: {}\n{}", job.reason, job.message, ErrorsText(job));
  }
  PrintJob(options, job, outcome);
  if (job.complete) return kExitDone;
  return job.failed ? kExitJobFailed : kExitCouldNotRun;
}

}  // namespace

int SubmitCommand(const SubmitOptions& options) {
  std::optional<api::LoadedJob> loaded = LoadOne(options.file);
  if (!loaded) return kExitBadInput;
  ClusterFormOptions how = FormOptions(options.file, *loaded);
  how.outputs = options.outputs;
  Diagnostics findings;
  ClusterForm form = ToClusterForm(std::move(loaded->job), how, &findings);
  PrintDiagnostics(findings);
  if (findings.HasErrors()) {
    if (options.file.json) Print("{}\n", NotStartedJson(findings));
    return kExitBadInput;
  }
  const Result<ClusterTarget> cluster = OpenCluster(options.cluster, form.job.ns);
  if (!cluster) return NotStarted(cluster.error(), options.file.json);
  form.job.ns = cluster->ns;
  kube::Api* const api = cluster->api.get();
  const Result<Submitted> submitted = Submit(api, form);
  if (!submitted) return NotStarted(submitted.error(), options.file.json);
  if (const std::string code = CodeText(form); !code.empty()) PrintErr("{}\n", code);
  PrintErr("{}\n", Told(*submitted, form));
  if (options.wait) return Wait(options, api, form, submitted->outcome);
  if (!options.file.json) return kExitDone;
  const Result<JobView> job = GetJob(api, form.job.ns, form.job.name);
  if (!job) return LostSight(options, form, submitted->outcome, job.error());
  PrintJob(options, *job, submitted->outcome);
  return kExitDone;
}

}  // namespace pj::cli
