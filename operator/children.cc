#include "operator/children.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/load.h"
#include "base/json.h"
#include "base/limits.h"
#include "job/pod_contract.h"
#include "operator/kinds.h"

namespace pj::op {
namespace {

constexpr char kQueueLabel[] = "kueue.x-k8s.io/queue-name";
constexpr size_t kPodNameBytes = 63;
constexpr size_t kIndexBytes = 8;       // "-1234567"
constexpr size_t kGenerationBytes = 4;  // "-g12"
constexpr size_t kHashBytes = 9;        // "-<h>"

std::string BaseName(const ParallelJobView& job) {
  std::string name =
      job.meta.name.substr(0, kPodNameBytes - kIndexBytes - kGenerationBytes - kHashBytes);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name + "-" + job.identity().ShortHash();
}

Json MetaJson(const ParallelJobView& job, const std::string& name) {
  Json labels = Json::object();
  for (const auto& [key, value] : ChildLabels(job)) labels[key] = value;
  const Json owner{{"apiVersion", api::kApiVersion},
                   {"kind", api::kKind},
                   {"name", job.meta.name},
                   {"uid", job.meta.uid},
                   {"controller", true},
                   {"blockOwnerDeletion", true}};
  return {{"name", name},
          {"namespace", job.meta.ns},
          {"labels", std::move(labels)},
          {"ownerReferences", Json::array({owner})}};
}

Child Made(const kube::ResourceType& type, const ParallelJobView& job, const std::string& name,
           Json rest) {
  Json body{
      {"apiVersion", type.ApiVersion()}, {"kind", type.kind}, {"metadata", MetaJson(job, name)}};
  body.update(rest);
  return {type, name, DumpJson(body)};
}

Json Rule(const char* group, const char* resource, std::initializer_list<const char*> verbs,
          const std::string& name = {}) {
  Json rule{{"apiGroups", Json::array({group})}, {"resources", Json::array({resource})}};
  if (!name.empty()) rule["resourceNames"] = Json::array({name});
  for (const char* verb : verbs) rule["verbs"].push_back(verb);
  return rule;
}

// Nobody's failure counts here but ours: the Job replaces pods for ever, and only when they are
// really gone.
Json FailurePolicy() {
  const Json disruption{{"type", "DisruptionTarget"}, {"status", "True"}};
  return {{"rules",
           Json::array({{{"action", "Ignore"}, {"onPodConditions", Json::array({disruption})}}})}};
}

Json JobSpec(const Scale& scale, const std::string& pod_template) {
  Result<Json> pod = ParseJson(pod_template);
  return {{"completionMode", "Indexed"},         {"parallelism", scale.parallelism},
          {"completions", scale.completions},    {"suspend", scale.suspended},
          {"backoffLimit", limits::kIntMax},     {"podReplacementPolicy", "Failed"},
          {"podFailurePolicy", FailurePolicy()}, {"template", pod ? std::move(*pod) : Json()}};
}

}  // namespace

std::string WorkerJobName(const ParallelJobView& job, int generation) {
  return generation == 0 ? BaseName(job) : fmt::format("{}-g{}", BaseName(job), generation);
}

std::string FinaliserName(const ParallelJobView& job) { return BaseName(job) + "-fin"; }

std::optional<int> GenerationOf(const ParallelJobView& job, const std::string& name) {
  const std::string base = BaseName(job);
  if (name == base) return 0;
  if (!name.starts_with(base + "-g")) return std::nullopt;
  const std::string digits = name.substr(base.size() + 2);
  const bool number =
      !digits.empty() && digits.size() < 6 &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!number) return std::nullopt;
  return std::atoi(digits.c_str());
}

std::vector<Child> Accounts(const ParallelJobView& job) {
  const std::string own = job.objects().Name("worker");
  if (AccountOf(job) != own) return {};
  return {Made(ServiceAccounts(), job, own, {{"automountServiceAccountToken", false}})};
}

std::vector<Child> Rights(const ParallelJobView& job) {
  const std::string own = job.objects().Name("worker");
  Json rules = Json::array();
  rules.push_back(Rule("", "configmaps", {"get", "create", "update"}));
  rules.push_back(Rule("", "configmaps", {"list", "watch"}, job.objects().Name("ctl")));
  rules.push_back(Rule("coordination.k8s.io", "leases", {"get", "create", "update"}));
  std::vector<Child> out{Made(Roles(), job, own, {{"rules", std::move(rules)}})};
  const Json subject{
      {"kind", "ServiceAccount"}, {"name", AccountOf(job)}, {"namespace", job.meta.ns}};
  out.push_back(
      Made(RoleBindings(), job, own,
           {{"roleRef", {{"apiGroup", Roles().group}, {"kind", Roles().kind}, {"name", own}}},
            {"subjects", Json::array({subject})}}));
  return out;
}

Child ManifestMap(const ParallelJobView& job) {
  Json data = Json::object();
  data[job::kManifestKey] = api::ToManifestJson(job.job);
  return Made(kube::ConfigMaps(), job, job.objects().Name("job"),
              {{"data", std::move(data)}, {"immutable", true}});
}

Child ControlMap(const ParallelJobView& job, const ledger::Control& control) {
  const kube::ConfigMap map = job::EncodeControlMap(job.objects(), control);
  return {kube::ConfigMaps(), map.meta.name, kube::Encode(map)};
}

Scale ScaleOf(const ParallelJobView& job, bool suspended) {
  const int64_t wanted = job.job.spec.instance_count.value;
  return {
      .parallelism = wanted, .completions = std::max<int64_t>(1, wanted), .suspended = suspended};
}

Child WorkerJob(const ParallelJobView& job, int generation, const Scale& scale,
                const OperatorOptions& options, Placement placement) {
  Child child = Made(Jobs(), job, WorkerJobName(job, generation),
                     {{"spec", JobSpec(scale, WorkerTemplate(job, options, placement))}});
  const auto queue = job.meta.labels.find(kQueueLabel);
  if (queue == job.meta.labels.end()) return child;
  Result<Json> body = ParseJson(child.body);
  if (!body) return child;
  (*body)["metadata"]["labels"][kQueueLabel] = queue->second;
  child.body = DumpJson(*body);
  return child;
}

Child FinaliserJob(const ParallelJobView& job, const OperatorOptions& options) {
  return Made(Jobs(), job, FinaliserName(job),
              {{"spec", JobSpec({.parallelism = 1}, FinaliserTemplate(job, options))}});
}

bool QueueOwnsJob(const ParallelJobView& job) { return job.meta.labels.contains(kQueueLabel); }

}  // namespace pj::op
