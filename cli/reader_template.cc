#include "cli/reader_template.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/json.h"
#include "job/pod_contract.h"
#include "job/volumes.h"

namespace pj::cli {
namespace {

constexpr std::string_view kOutputs = "outputs";  // below job::kReadDir
constexpr int kUser = 65532;  // of worker pods, where the operator's flags do not say otherwise

Json Tree(const std::string& text) {
  Result<Json> parsed = ParseJson(text);
  return parsed && parsed->is_object() ? std::move(*parsed) : Json::object();
}

// A member of a member …; null where there is none.
Json At(const Json& object, std::initializer_list<const char*> path) {
  const Json* now = &object;
  for (const char* key : path) {
    const auto found = now->find(key);
    if (found == now->end()) return {};
    now = &*found;
  }
  return *now;
}

bool GoneWithItsPod(const Json& volume) {
  return volume.empty() || volume.contains("emptyDir") || volume.contains("ephemeral");
}

// The number in a flag; `otherwise` where it has none.
int64_t NumberIn(const std::string& flag, int64_t otherwise) {
  int64_t value = otherwise;
  std::from_chars(flag.data(), flag.data() + flag.size(), value);
  return value;
}

Json SecurityContext(const WorkerFlags& flags) {
  const int64_t user = NumberIn(flags.run_as_user, kUser);
  return {{"runAsNonRoot", true},
          {"runAsUser", user},
          {"runAsGroup", user},
          {"fsGroup", NumberIn(flags.fs_group, kUser)},
          {"fsGroupChangePolicy", "OnRootMismatch"},
          {"seccompProfile", {{"type", "RuntimeDefault"}}}};
}

// The pod spec that the job's workers have, or had: then of the job's own template and of what the
// operator gives every worker (operator/pod_template.cc).
Json WorkerSpec(const ReaderSource& source, const Json& pod_template) {
  Json spec = At(Tree(source.worker_job), {"spec", "template", "spec"});
  if (spec.is_object()) return spec;
  spec = Json::object();
  for (const char* key : {"tolerations", "nodeSelector", "imagePullSecrets"}) {
    if (pod_template.contains(key)) spec[key] = pod_template[key];
  }
  for (const std::string& secret : source.flags.image_pull_secrets) {
    const Json named{{"name", secret}};
    Json& secrets = spec["imagePullSecrets"];
    if (!secrets.is_array() || std::find(secrets.begin(), secrets.end(), named) == secrets.end()) {
      secrets.push_back(named);
    }
  }
  spec["securityContext"] = SecurityContext(source.flags);
  Json agent{{"image", source.flags.image}};
  if (!source.flags.image_pull_policy.empty()) {
    agent["imagePullPolicy"] = source.flags.image_pull_policy;
  }
  spec["containers"] = Json::array({std::move(agent)});
  return spec;
}

class Planner {
 public:
  Planner(const ReaderSource& source, const ReaderRequest& request)
      : source_(source),
        request_(request),
        pod_template_(Tree(source.job.spec.pod_template)),
        workers_(WorkerSpec(source, pod_template_)) {}

  Result<ReaderPlan> Run() {
    if (request_.outputs) AddOutputs();
    if (request_.logs) AddLogs();
    if (mounts_.empty()) {
      return Fail(Code::kInvalid, "has nothing on a volume that outlives its pods",
                  "job " + source_.job.name, "`paralleljob logs` shows what its pods say");
    }
    PJ_ASSIGN(Json container, Container());
    Json spec{{"restartPolicy", "Never"},
              {"activeDeadlineSeconds", request_.lifetime_seconds},
              {"automountServiceAccountToken", false},
              {"enableServiceLinks", false},
              {"terminationGracePeriodSeconds", 1},
              {"securityContext", WorkersSecurityContext()},
              {"affinity", NearTheWorkers()}};
    for (const char* key : {"tolerations", "nodeSelector", "imagePullSecrets"}) {
      if (workers_.contains(key)) spec[key] = workers_[key];
    }
    // An account of the job's own making may be gone; a cloud identity may be what opens the
    // volume.
    if (pod_template_.contains("serviceAccountName")) {
      spec["serviceAccountName"] = pod_template_["serviceAccountName"];
    }
    spec["containers"] = Json::array({std::move(container)});
    spec["volumes"] = std::move(volumes_);
    plan_.pod = DumpJson({{"apiVersion", "v1"},
                          {"kind", "Pod"},
                          {"metadata", Metadata()},
                          {"spec", std::move(spec)}});
    return std::move(plan_);
  }

 private:
  // Not the label of worker pods: the operator would count it as one.
  Json Metadata() const {
    return {{"name", request_.name},
            {"namespace", source_.ns},
            {"labels",
             {{"app.kubernetes.io/name", "paralleljob"},
              {"app.kubernetes.io/component", "reader"},
              {"app.kubernetes.io/instance", source_.job.name}}},
            {"ownerReferences", Json::array({{{"apiVersion", api::kApiVersion},
                                              {"kind", api::kKind},
                                              {"name", source_.job.name},
                                              {"uid", source_.identity.uid}}})}};
  }

  Json WorkersSecurityContext() const {
    Json context = At(workers_, {"securityContext"});
    return context.is_object() ? context : SecurityContext(source_.flags);
  }

  // A volume that one node at a time may mount is where the workers are.
  Json NearTheWorkers() const {
    const Json term{
        {"labelSelector", {{"matchLabels", {{job::kRunLabel, source_.identity.ShortHash()}}}}},
        {"topologyKey", "kubernetes.io/hostname"}};
    const Json preferred = Json::array({{{"weight", 100}, {"podAffinityTerm", term}}});
    return {{"podAffinity", {{"preferredDuringSchedulingIgnoredDuringExecution", preferred}}}};
  }

  Result<Json> Container() const {
    Json agent;
    const Json containers = At(workers_, {"containers"});
    if (containers.is_array() && !containers.empty()) agent = containers[0];
    const std::string image = !request_.image.empty() ? request_.image
                              : agent.is_object()     ? agent.value("image", "")
                                                      : "";
    if (image.empty()) {
      return Fail(Code::kInvalid, "the job's pods are gone, and with them the name of their image",
                  "job " + source_.job.name,
                  "name it: --worker-image REF, as the operator's --worker-image has it");
    }
    Json command = Json::array({job::kWorkerProgram, job::kReadCommand});
    for (const std::string& path : only_) command.push_back(path);
    Json container{
        {"name", "reader"},
        {"image", image},
        {"command", std::move(command)},
        {"env", Json::array({{{"name", job::kEnvReadToken}, {"value", request_.token}}})},
        {"ports", Json::array({{{"containerPort", job::kReadPort}}})},
        {"resources",
         {{"requests", {{"cpu", "10m"}, {"memory", "32Mi"}}}, {"limits", {{"memory", "256Mi"}}}}},
        {"securityContext",
         {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", {{"drop", Json::array({"ALL"})}}}}},
        {"volumeMounts", mounts_}};
    if (agent.is_object() && agent.contains("imagePullPolicy")) {
      container["imagePullPolicy"] = agent["imagePullPolicy"];
    }
    return container;
  }

  void AddOutputs() {
    for (const api::Output& output : source_.job.spec.outputs) {
      const Json volume = Tree(output.volume);
      if (GoneWithItsPod(volume)) {
        plan_.unreadable.push_back(output.name);
        continue;
      }
      const std::string place = fmt::format("{}/{}", kOutputs, output.name);
      const std::string folder = job::MountedFolder(output.path, output.type);
      Mount(volume, place, folder);
      if (output.type == api::DataType::kUriFile) {
        const std::string file = place + "/" + job::FileNameOf(output.path, output.name);
        only_.push_back(file);
        LeaveOutOthers(output.name, file);
      } else {
        only_.push_back(place);
      }
      // The volume's own root holds the work folders of all jobs.
      if (folder.empty()) plan_.foreign.push_back(place + "/" + job::kWorkFolder);
    }
  }

  // A run that fails leaves the committed rows beside the path, and one that completes the whole
  // file: what an earlier run of the same path left there is not this job's.
  void LeaveOutOthers(const std::string& output, const std::string& file) {
    if (!source_.published) return;
    const auto found = source_.published->find(output);
    const std::string published = found == source_.published->end() ? "" : found->second;
    for (const char* ending : {"", ".partial"}) {
      const std::string path = file + ending;
      if (published != fmt::format("{}{}", job::kOutputsDir, path.substr(kOutputs.size()))) {
        plan_.foreign.push_back(path);
      }
    }
  }

  void AddLogs() {
    const Json volume = Tree(job::WorkVolume(source_.job.spec));
    if (GoneWithItsPod(volume)) return;
    Mount(volume, "logs", job::WorkFolder(source_.job.name, source_.identity) + "/logs");
    only_.push_back("logs");
  }

  void Mount(const Json& volume, const std::string& place, const std::string& folder) {
    const auto [known, fresh] =
        names_.try_emplace(DumpJson(volume), fmt::format("data-{}", names_.size()));
    if (fresh) {
      Json named{{"name", known->second}};
      named.update(volume);
      volumes_.push_back(std::move(named));
    }
    Json mount{{"name", known->second},
               {"mountPath", fmt::format("{}/{}", job::kReadDir, place)},
               {"readOnly", true}};
    if (!folder.empty()) mount["subPath"] = folder;
    mounts_.push_back(std::move(mount));
  }

  const ReaderSource& source_;
  const ReaderRequest& request_;
  const Json pod_template_;
  const Json workers_;
  std::map<std::string, std::string> names_;
  Json volumes_ = Json::array();
  Json mounts_ = Json::array();
  std::vector<std::string> only_;
  ReaderPlan plan_;
};

}  // namespace

Result<ReaderPlan> PlanReader(const ReaderSource& source, const ReaderRequest& request) {
  return Planner(source, request).Run();
}

}  // namespace pj::cli
