#include "operator/views.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "api/load.h"
#include "base/json.h"
#include "job/pod_contract.h"
#include "kube/json_text.h"

namespace pj::op {
namespace {

// The member, or null: a foreign or truncated object reads as one without the field.
const Json& At(const Json& object, std::string_view key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

template <class... Keys>
const Json& At(const Json& object, std::string_view key, std::string_view next, Keys... rest) {
  return At(At(object, key), next, rest...);
}

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}
int64_t Number(const Json& value, int64_t otherwise) {
  return CheckedInt(value).value_or(otherwise);
}
bool IsTrue(const Json& value) { return value.is_boolean() && value.get<bool>(); }

// The condition of that type if its status is True, else null.
const Json& TrueCondition(const Json& conditions, std::string_view type) {
  static const Json none;
  if (!conditions.is_array()) return none;
  for (const Json& condition : conditions) {
    if (Text(At(condition, "type")) == type && Text(At(condition, "status")) == "True") {
      return condition;
    }
  }
  return none;
}

std::string Join(const std::string& reason, const std::string& message) {
  if (reason.empty() || message.empty()) return reason + message;
  return reason + ": " + message;
}

std::string Problems(const Diagnostics& found) {
  std::string text;
  for (const Diagnostic& finding : found.all()) {
    if (finding.severity != Severity::kError) continue;
    text += (text.empty() ? "" : "; ") + finding.field + (finding.field.empty() ? "" : ": ") +
            finding.message;
    if (!finding.value.empty()) text += fmt::format(" (found \"{}\")", finding.value);
    if (!finding.hint.empty()) text += "; " + finding.hint;
  }
  return text;
}

// Of those whose type knows no "not set": a default may be written all the same.
std::set<std::string> Written(const Json& spec) {
  std::set<std::string> out;
  for (const char* name : {"logs", "suspend", "cancel"}) {
    if (!At(spec, name).is_null()) out.insert(name);
  }
  if (!At(spec, "task", "type").is_null()) out.insert("task.type");
  for (const char* list : {"inputs", "outputs"}) {
    for (const Json& one : At(spec, list)) {
      if (At(one, "type").is_null()) continue;
      out.insert(fmt::format("{}[{}].type", list, Text(At(one, "name"))));
    }
  }
  return out;
}

std::string After(const std::string& text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string();
}

// "<job>-<h>-s-12" → "s-12"; empty for a name of another run.
std::string WhatOf(const kube::Meta& meta) {
  const auto job = meta.labels.find(job::kJobLabel);
  const auto run = meta.labels.find(job::kRunLabel);
  if (job == meta.labels.end() || run == meta.labels.end()) return {};
  return After(meta.name, job->second + "-" + run->second + "-");
}

// Reasons for which a container waits that do not go away by themselves soon.
bool IsTrouble(const std::string& reason) {
  static constexpr std::array<std::string_view, 8> kReasons = {
      "ErrImagePull",      "ImagePullBackOff",     "InvalidImageName",
      "ErrImageNeverPull", "CreateContainerError", "CreateContainerConfigError",
      "RunContainerError", "CrashLoopBackOff"};
  return std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end();
}

void FindTrouble(const Json& status, WorkerPodView* pod) {
  const Json& conditions = At(status, "conditions");
  if (conditions.is_array()) {
    for (const Json& condition : conditions) {
      if (Text(At(condition, "type")) != "PodScheduled") continue;
      if (Text(At(condition, "reason")) != "Unschedulable") continue;
      pod->trouble_reason = "Unschedulable";
      pod->trouble = Text(At(condition, "message"));
    }
  }
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    const Json& statuses = At(status, list);
    if (!statuses.is_array()) continue;
    for (const Json& container : statuses) {
      const Json& waiting = At(container, "state", "waiting");
      const std::string reason = Text(At(waiting, "reason"));
      if (!IsTrouble(reason)) continue;
      pod->trouble_reason = reason;
      pod->trouble = fmt::format("container {}, image {}: {}", Text(At(container, "name")),
                                 Text(At(container, "image")), Text(At(waiting, "message")));
    }
  }
}

// "container agent ended with 3 (Error): last words"; empty for one that has not failed.
std::string FailureOf(const Json& container) {
  const Json& ended = At(container, "state", "terminated");
  const int64_t code = Number(At(ended, "exitCode"), 0);
  if (code == 0) return {};
  return Join(fmt::format("container {} ended with {} ({})", Text(At(container, "name")), code,
                          Text(At(ended, "reason"))),
              Text(At(ended, "message")));
}

// Why a pod failed. One that was evicted, or whose node went, has not failed by itself.
void FindFailure(const Json& status, WorkerPodView* pod) {
  if (!TrueCondition(At(status, "conditions"), "DisruptionTarget").is_null()) return;
  pod->failure = Join(Text(At(status, "reason")), Text(At(status, "message")));
  for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
    const Json& statuses = At(status, list);
    if (!statuses.is_array()) continue;
    for (const Json& container : statuses) {
      const std::string failure = FailureOf(container);
      if (failure.empty()) continue;
      if (!pod->failed_at) pod->failure = failure;
      const auto ended = ParseRfc3339(Text(At(container, "state", "terminated", "finishedAt")));
      if (ended && (!pod->failed_at || *ended > *pod->failed_at)) pod->failed_at = ended;
    }
  }
}

// Without what no view looks at: pod templates are most of a Job's text.
Result<Json> ParseSlim(std::string_view json, const char* kind) {
  PJ_ASSIGN(Json object, ParseJson(kube::Without(json, {"metadata.managedFields", "spec.template",
                                                        "spec.containers", "spec.initContainers",
                                                        "spec.volumes"}),
                                   kind));
  if (!At(object, "metadata").is_object()) {
    return Fail(Code::kInvalid, "not a Kubernetes object: metadata is missing", kind);
  }
  return object;
}

}  // namespace

Result<ParallelJobView> DecodeParallelJob(std::string_view json) {
  PJ_ASSIGN(const Json object, ParseSlim(json, "ParallelJob"));
  ParallelJobView view;
  view.meta = kube::MetaOf(object);
  view.generation = Number(At(object, "metadata", "generation"), 0);
  view.deleting = At(object, "metadata", "deletionTimestamp").is_string();
  Diagnostics found;
  view.job = api::LoadStoredJob(json, &found);
  view.problem = Problems(found);
  view.written = Written(At(object, "spec"));
  const Json& status = At(object, "status");
  view.status_json = status.is_object() ? DumpJson(status) : "{}";
  view.run = static_cast<uint32_t>(std::clamp<int64_t>(Number(At(status, "run"), 1), 1, 1 << 30));
  const Json& conditions = At(status, "conditions");
  view.finished = !TrueCondition(conditions, "Complete").is_null() ||
                  !TrueCondition(conditions, "Failed").is_null();
  view.started = ParseRfc3339(Text(At(status, "startTime")));
  view.completion = ParseRfc3339(Text(At(status, "completionTime")));
  return view;
}

Result<RunMapView> DecodeRunMap(std::string_view json) {
  PJ_ASSIGN(const kube::ConfigMap map, kube::DecodeConfigMap(json));
  RunMapView view{.meta = map.meta};
  const std::string what = WhatOf(map.meta);
  const auto take = [&view](auto decoded) {
    if (decoded) {
      view.content = std::move(*decoded);
    } else {
      view.damage = decoded.error().ToString();
    }
  };
  if (what == "plan") take(job::DecodePlan(map));
  if (what == "result") take(job::DecodeResult(map));
  if (what == "ctl") take(job::DecodeControlMap(map));
  if (what.starts_with("s-")) {
    const auto record = map.binary_data.find(job::kRecordKey);
    take(ledger::DecodeShard(record == map.binary_data.end() ? "" : record->second));
  }
  return view;
}

Result<WorkerLeaseView> DecodeWorkerLease(std::string_view json) {
  PJ_ASSIGN(kube::Lease lease, kube::DecodeLease(json));
  WorkerLeaseView view{.holder = lease.holder, .renew_time = lease.renew_time};
  const auto note = lease.meta.annotations.find(job::kWorkerStateNote);
  if (note != lease.meta.annotations.end()) {
    // A state that cannot be read counts as a worker that says nothing: it is no ledger.
    if (auto state = job::DecodeWorkerState(note->second)) view.state = *state;
  }
  view.meta = std::move(lease.meta);
  return view;
}

Result<WorkerJobView> DecodeWorkerJob(std::string_view json) {
  PJ_ASSIGN(const Json object, ParseSlim(json, "Job"));
  WorkerJobView view;
  view.meta = kube::MetaOf(object);
  const Json& spec = At(object, "spec");
  view.parallelism = Number(At(spec, "parallelism"), 0);
  view.completions = Number(At(spec, "completions"), 0);
  view.suspended = IsTrue(At(spec, "suspend"));
  view.deleting = At(object, "metadata", "deletionTimestamp").is_string();
  const Json& conditions = At(object, "status", "conditions");
  const Json& failed = TrueCondition(conditions, "Failed");
  view.terminal = !failed.is_null() || !TrueCondition(conditions, "Complete").is_null();
  view.failure = Join(Text(At(failed, "reason")), Text(At(failed, "message")));
  return view;
}

Result<WorkerPodView> DecodeWorkerPod(std::string_view json) {
  PJ_ASSIGN(const Json object, ParseSlim(json, "Pod"));
  WorkerPodView view;
  view.meta = kube::MetaOf(object);
  const Json& status = At(object, "status");
  view.phase = Text(At(status, "phase"));
  view.node = Text(At(object, "spec", "nodeName"));
  const std::string index =
      Text(At(object, "metadata", "annotations", "batch.kubernetes.io/job-completion-index"));
  for (const char digit : index) {
    if (digit >= '0' && digit <= '9' && view.index < INT32_MAX) {
      view.index = view.index * 10 + (digit - '0');
    }
  }
  const Json& conditions = At(status, "conditions");
  view.ready = !TrueCondition(conditions, "Ready").is_null();
  view.node_lost = !view.ready && !TrueCondition(conditions, "ContainersReady").is_null();
  view.given_up = Text(At(status, "reason")) == kGivenUp;
  view.deletion = ParseRfc3339(Text(At(object, "metadata", "deletionTimestamp")));
  view.grace = Seconds(std::clamp<int64_t>(
      Number(At(object, "metadata", "deletionGracePeriodSeconds"), 0), 0, INT32_MAX));
  if (!view.Ended()) FindTrouble(status, &view);
  if (view.phase == "Failed") FindFailure(status, &view);
  view.meta.annotations.clear();  // not needed any more: thousands of pods lie in the cache
  return view;
}

}  // namespace pj::op
