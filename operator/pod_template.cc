#include "operator/pod_template.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "job/pod_contract.h"
#include "operator/pod_volumes.h"

namespace pj::op {
namespace {

// After the agent's grace the kubelet still has to stop the sidecar.
constexpr int kStopSeconds = job::kGraceSeconds + 15;

Json Parsed(const std::string& text) {
  Result<Json> parsed = ParseJson(text);
  return parsed ? std::move(*parsed) : Json();
}

Json ListOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : Json::array();
}

Json Value(std::string_view name, const std::string& value) {
  return {{"name", name}, {"value", value}};
}

Json FieldValue(const char* name, const char* path) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
}

Json Restricted() {
  return {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", {{"drop", Json::array({"ALL"})}}}};
}

// The GPUs that a container's limits ask for, of any vendor.
int64_t Gpus(const Json& resources) {
  int64_t count = 0;
  const auto limits = resources.find("limits");
  if (limits == resources.end() || !limits->is_object()) return 0;
  for (const auto& [name, amount] : limits->items()) {
    if (!name.ends_with("/gpu") && !name.starts_with("gpu.")) continue;
    const std::string text = amount.is_string() ? amount.get<std::string>() : DumpJson(amount);
    count += std::max(0, std::atoi(text.c_str()));
  }
  return count;
}

class Builder {
 public:
  Builder(const ParallelJobView& job, const OperatorOptions& options)
      : job_(job),
        options_(options),
        pod_(job.job.spec.pod_template.empty() ? Json::object()
                                               : Parsed(job.job.spec.pod_template)),
        volumes_(VolumesOf(job)) {}

  Json Worker(Placement placement) {
    Json spec = Pod();
    if (placement == Placement::kOneNode) StayTogether(&spec["affinity"]);
    spec["initContainers"] = Json::array({Install(), User()});
    spec["containers"] = Json::array({Agent(job::kSuperviseCommand)});
    return Template("worker", std::move(spec));
  }

  Json Finaliser() {
    Json spec = Pod();
    spec["containers"] = Json::array({Agent(job::kFinaliseCommand)});
    return Template(kFinaliserComponent, std::move(spec));
  }

 private:
  Json Template(const char* component, Json spec) const {
    Json labels = pod_.contains("labels") ? pod_["labels"] : Json::object();
    for (const auto& [key, value] : ChildLabels(job_)) labels[key] = value;
    labels[kComponentLabel] = component;
    Json meta{{"labels", std::move(labels)}};
    if (pod_.contains("annotations")) meta["annotations"] = pod_["annotations"];
    return {{"metadata", std::move(meta)}, {"spec", std::move(spec)}};
  }

  Json Pod() const {
    Json spec{{"restartPolicy", "Never"},
              {"serviceAccountName", AccountOf(job_)},
              {"automountServiceAccountToken", false},
              {"enableServiceLinks", false},
              {"terminationGracePeriodSeconds", kStopSeconds}};
    spec["securityContext"] = {{"runAsNonRoot", true},
                               {"runAsUser", options_.run_as_user},
                               {"runAsGroup", options_.run_as_user},
                               {"fsGroup", options_.fs_group},
                               {"fsGroupChangePolicy", "OnRootMismatch"},
                               {"seccompProfile", {{"type", "RuntimeDefault"}}}};
    for (const char* key : {"nodeSelector", "affinity", "priorityClassName", "runtimeClassName"}) {
      if (pod_.contains(key)) spec[key] = pod_[key];
    }
    if (Json secrets = PullSecrets(); !secrets.empty()) {
      spec["imagePullSecrets"] = std::move(secrets);
    }
    spec["tolerations"] = Tolerations();
    spec["volumes"] = Parsed(volumes_.volumes);
    return spec;
  }

  // Kubernetes lets the first pod of such a group go anywhere.
  void StayTogether(Json* affinity) const {
    const Json labels{{job::kRunLabel, job_.identity().ShortHash()}};
    Json& pods = (*affinity)["podAffinity"];
    pods["requiredDuringSchedulingIgnoredDuringExecution"].push_back(
        {{"labelSelector", {{"matchLabels", labels}}}, {"topologyKey", "kubernetes.io/hostname"}});
  }

  // The user's image may lie elsewhere than ours: both kinds of secrets are needed.
  Json PullSecrets() const {
    Json list = ListOf(pod_, "imagePullSecrets");
    for (const std::string& name : options_.image_pull_secrets) {
      const Json secret{{"name", name}};
      if (std::find(list.begin(), list.end(), secret) == list.end()) list.push_back(secret);
    }
    return list;
  }

  // A lost node is given up after seconds, not the five minutes that Kubernetes adds by itself.
  Json Tolerations() const {
    Json list = ListOf(pod_, "tolerations");
    for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
      const bool given = std::any_of(list.begin(), list.end(), [key](const Json& toleration) {
        return toleration.is_object() && toleration.value("key", "") == key;
      });
      if (given) continue;
      list.push_back({{"key", key},
                      {"operator", "Exists"},
                      {"effect", "NoExecute"},
                      {"tolerationSeconds", options_.toleration_seconds}});
    }
    return list;
  }

  Json Container(const char* name, const std::string& image, const std::string& mounts) const {
    Json container{{"name", name}, {"image", image}};
    if (!options_.image_pull_policy.empty()) {
      container["imagePullPolicy"] = options_.image_pull_policy;
    }
    container["securityContext"] = Restricted();
    container["volumeMounts"] = Parsed(mounts);
    // So that a pod that fails tells why in its status.
    container["terminationMessagePolicy"] = "FallbackToLogsOnError";
    return container;
  }

  Json Install() const {
    Json container =
        Container(job::kInstallContainer, options_.worker_image, volumes_.install_mounts);
    container["command"] =
        Json::array({job::kWorkerProgram, job::kInstallCommand, job::kRuntimeDir});
    if (job_.job.spec.task.code.source == api::Code::Source::kArchive) {
      container["command"].push_back(job::kUnpackFlag);
    }
    container["resources"] = OwnResources();
    return container;
  }

  Json User() const {
    const api::ParallelJobSpec& spec = job_.job.spec;
    Json container =
        Container(job::kUserContainer, spec.task.environment.image, volumes_.user_mounts);
    container["restartPolicy"] = "Always";  // a native sidecar
    container["command"] = Json::array({job::kHostProgram});
    Json env = ListOf(pod_, "env");
    for (const auto& [name, value] : spec.task.environment.variables)
      env.push_back(Value(name, value));
    for (const auto& [name, value] : spec.environment_variables) env.push_back(Value(name, value));
    AddScratch(&env);
    env.push_back(Value(job::kEnvGrace, fmt::format("{}", job::kGraceSeconds)));
    container["env"] = std::move(env);
    if (pod_.contains("envFrom")) container["envFrom"] = pod_["envFrom"];
    if (pod_.contains("resources")) container["resources"] = pod_["resources"];
    return container;
  }

  Json Agent(const char* command) const {
    Json container = Container(job::kAgentContainer, options_.worker_image, volumes_.agent_mounts);
    container["command"] = Json::array({job::kWorkerProgram, command});
    Json env = Json::array();
    env.push_back(Value(job::kEnvNamespace, job_.meta.ns));
    env.push_back(Value(job::kEnvJob, job_.meta.name));
    env.push_back(Value(job::kEnvUid, job_.meta.uid));
    env.push_back(Value(job::kEnvRun, fmt::format("{}", job_.run)));
    env.push_back(FieldValue(job::kEnvPodName, "metadata.name"));
    env.push_back(FieldValue(job::kEnvPodUid, "metadata.uid"));
    env.push_back(FieldValue(job::kEnvPodIp, "status.podIP"));
    env.push_back(FieldValue(job::kEnvNodeName, "spec.nodeName"));
    env.push_back(FieldValue(job::kEnvOrdinal,
                             "metadata.annotations['batch.kubernetes.io/job-completion-index']"));
    if (const int64_t gpus = pod_.contains("resources") ? Gpus(pod_["resources"]) : 0; gpus > 0) {
      env.push_back(Value(job::kEnvGpus, fmt::format("{}", gpus)));
    }
    env.push_back(Value(job::kEnvLogFormat, options_.log_format));
    AddScratch(&env);
    container["env"] = std::move(env);
    container["resources"] = OwnResources();
    return container;
  }

  static void AddScratch(Json* env) {
    env->push_back(Value("HOME", job::kHomeDir));
    env->push_back(Value("TMPDIR", job::kTmpDir));
  }

  Json OwnResources() const {
    return {{"requests", {{"cpu", options_.agent_cpu}, {"memory", options_.agent_memory}}},
            {"limits", {{"memory", options_.agent_memory_limit}}}};
  }

  const ParallelJobView& job_;
  const OperatorOptions& options_;
  const Json pod_;
  const PodVolumes volumes_;
};

}  // namespace

std::map<std::string, std::string> ChildLabels(const ParallelJobView& job) {
  return {{job::kJobLabel, job.meta.name},
          {job::kRunLabel, job.identity().ShortHash()},
          {"app.kubernetes.io/name", "paralleljob"},
          {"app.kubernetes.io/instance", job.meta.name},
          {kManagerLabel, kManagerName}};
}

std::string AccountOf(const ParallelJobView& job) {
  if (!job.job.spec.pod_template.empty()) {
    const Json pod = Parsed(job.job.spec.pod_template);
    if (pod.is_object() && pod.contains("serviceAccountName")) {
      return pod.value("serviceAccountName", "");
    }
  }
  return job.objects().Name("worker");
}

std::string WorkerTemplate(const ParallelJobView& job, const OperatorOptions& options,
                           Placement placement) {
  return DumpJson(Builder(job, options).Worker(placement));
}

std::string FinaliserTemplate(const ParallelJobView& job, const OperatorOptions& options) {
  return DumpJson(Builder(job, options).Finaliser());
}

}  // namespace pj::op
