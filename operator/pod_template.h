// PodTemplate: the pods of a job: agent, user container, what both may do. Everything in it passes
// Pod Security "restricted". The names come from job/pod_contract.h.
#pragma once

#include <map>
#include <string>

#include "operator/options.h"
#include "operator/views.h"

namespace pj::op {

// On pods: "worker", or
inline constexpr char kComponentLabel[] = "app.kubernetes.io/component";
inline constexpr char kFinaliserComponent[] = "finaliser";

// The labels of all children that the Job controller or we make for a job.
std::map<std::string, std::string> ChildLabels(const ParallelJobView& job);
// The service account of the job's pods: its own, or the one that podTemplate names.
std::string AccountOf(const ParallelJobView& job);

// Where the workers may be; kOneNode: all of them on the same, as a volume of theirs needs it.
enum class Placement { kAnyNode, kOneNode };

// A PodTemplateSpec as JSON text.
std::string WorkerTemplate(const ParallelJobView& job, const OperatorOptions& options,
                           Placement placement = Placement::kAnyNode);
// The same without the user container: seals, publishes, ends.
std::string FinaliserTemplate(const ParallelJobView& job, const OperatorOptions& options);

}  // namespace pj::op
