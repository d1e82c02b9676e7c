// Children: what a ParallelJob is made into: names and bodies of the objects that the operator
// creates for it. Deterministic: the same job gives the same names, whoever asks and however often.
#pragma once

#include <string>
#include <vector>

#include "kube/api.h"
#include "operator/options.h"
#include "operator/pod_template.h"
#include "operator/world.h"

namespace pj::op {

struct Child {
  kube::ResourceType type;
  std::string name;
  std::string body;
};

// "<job>-<h>", shortened so that with "-<index>" it is at most 63 characters; a later generation
// gets "-g<n>".
std::string WorkerJobName(const ParallelJobView& job, int generation);
std::string FinaliserName(const ParallelJobView& job);
// The generation in such a name; nothing for another Job's.
std::optional<int> GenerationOf(const ParallelJobView& job, const std::string& name);

// The ServiceAccount of the job's pods; none when the job names one.
std::vector<Child> Accounts(const ParallelJobView& job);
// The Role and RoleBinding of the job's pods.
std::vector<Child> Rights(const ParallelJobView& job);
// The immutable ConfigMap from which the pods read their job.
Child ManifestMap(const ParallelJobView& job);
Child ControlMap(const ParallelJobView& job, const ledger::Control& control);

// How many pods a Job is to have.
struct Scale {
  int64_t parallelism = 0;
  int64_t completions = 1;
  bool suspended = false;
  bool operator==(const Scale&) const = default;
};
// `completions` follows instanceCount, but never 0: a Job without completions is over at once.
Scale ScaleOf(const ParallelJobView& job, bool suspended);
Child WorkerJob(const ParallelJobView& job, int generation, const Scale& scale,
                const OperatorOptions& options, Placement placement = Placement::kAnyNode);
Child FinaliserJob(const ParallelJobView& job, const OperatorOptions& options);

// True when another controller (Kueue) owns suspend, parallelism and scheduling of the Job.
bool QueueOwnsJob(const ParallelJobView& job);

}  // namespace pj::op
