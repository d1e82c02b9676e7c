#include "operator/pod_volumes.h"

#include <fmt/core.h>

#include <map>

#include "base/json.h"
#include "job/pod_contract.h"
#include "job/volumes.h"

namespace pj::op {
namespace {

constexpr int64_t kTokenSeconds = 3600;

Json Tree(const api::KubeJson& text) {
  Result<Json> parsed = ParseJson(text);
  return parsed && parsed->is_object() ? std::move(*parsed) : Json::object();
}

Json Mount(const std::string& volume, const std::string& at, const std::string& below,
           bool read_only) {
  Json mount{{"name", volume}, {"mountPath", at}};
  if (!below.empty()) mount["subPath"] = below;
  if (read_only) mount["readOnly"] = true;
  return mount;
}

class Builder {
 public:
  explicit Builder(const ParallelJobView& job) : job_(job), spec_(job.job.spec) {}

  PodVolumes Build() {
    AddOwn();
    AddToken();
    AddCode();
    AddData();
    AddWork();
    AddTemplateVolumes();
    return {DumpJson(volumes_), DumpJson(install_), DumpJson(user_), DumpJson(agent_)};
  }

 private:
  // The name of the pod's volume for a source. One that was met before is the same volume, unless
  // each mention of it means storage of its own.
  std::string Volume(const Json& source) {
    std::string name = fmt::format("data-{}", data_volumes_);
    if (!source.contains("emptyDir") && !source.contains("ephemeral")) {
      const auto [entry, fresh] = names_.try_emplace(DumpJson(source), name);
      if (!fresh) return entry->second;
    }
    ++data_volumes_;
    Add(name, source);
    return name;
  }

  void Add(const std::string& name, const Json& source) {
    Json volume{{"name", name}};
    volume.update(source);
    volumes_.push_back(std::move(volume));
  }

  void AddOwn() {
    const Json empty{{"emptyDir", Json::object()}};
    for (const char* name : {"run", "runtime", "user-scratch", "agent-scratch"}) Add(name, empty);
    Add("job", {{"configMap", {{"name", job_.objects().Name("job")}}}});
    install_.push_back(Mount("runtime", job::kRuntimeDir, "", false));
    user_.push_back(Mount("run", job::kRunDir, "", false));
    user_.push_back(Mount("runtime", job::kRuntimeDir, "", true));
    agent_.push_back(Mount("run", job::kRunDir, "", false));
    agent_.push_back(Mount("job", job::kJobDir, "", true));
    AddScratch("user-scratch", &user_);
    AddScratch("agent-scratch", &agent_);
  }

  static void AddScratch(const std::string& volume, Json* mounts) {
    mounts->push_back(Mount(volume, job::kHomeDir, "home", false));
    mounts->push_back(Mount(volume, job::kTmpDir, "tmp", false));
  }

  // What the kubelet would mount into every container; here only the agent gets it.
  void AddToken() {
    Json sources = Json::array();
    sources.push_back(
        {{"serviceAccountToken", {{"path", "token"}, {"expirationSeconds", kTokenSeconds}}}});
    const Json certificate{{"key", "ca.crt"}, {"path", "ca.crt"}};
    sources.push_back(
        {{"configMap", {{"name", "kube-root-ca.crt"}, {"items", Json::array({certificate})}}}});
    const Json name{{"path", "namespace"}, {"fieldRef", {{"fieldPath", "metadata.namespace"}}}};
    sources.push_back({{"downwardAPI", {{"items", Json::array({name})}}}});
    Add("token", {{"projected", {{"sources", std::move(sources)}}}});
    agent_.push_back(Mount("token", job::kTokenDir, "", true));
  }

  void AddCode() {
    const api::Code& code = spec_.task.code;
    Json source = Tree(code.reference);
    if (code.source == api::Code::Source::kConfigMap) {
      Add("code", {{"configMap", std::move(source)}});
      user_.push_back(Mount("code", job::kCodeDir, "", true));
    } else if (code.source == api::Code::Source::kArchive) {
      AddArchive(source);
    } else if (code.source == api::Code::Source::kVolume) {
      const std::string path = source.value("path", "");
      source.erase("path");
      user_.push_back(Mount(Volume(source), job::kCodeDir, job::BelowVolume(path), true));
    }
  }

  // `install` unpacks what the user's image need not know how to.
  void AddArchive(const Json& archive) {
    Json sources = Json::array();
    for (const Json& name : archive.value("configMaps", Json::array())) {
      const Json item{{"key", job::kCodePartKey}, {"path", fmt::format("{:04}", sources.size())}};
      sources.push_back({{"configMap", {{"name", name}, {"items", Json::array({item})}}}});
    }
    Add("code-parts", {{"projected", {{"sources", std::move(sources)}}}});
    Add("code", {{"emptyDir", Json::object()}});
    install_.push_back(Mount("code-parts", job::kCodePartsDir, "", true));
    install_.push_back(Mount("code", job::kCodeDir, "", false));
    user_.push_back(Mount("code", job::kCodeDir, "", true));
  }

  void AddData() {
    for (const api::Input& input : spec_.inputs) {
      if (input.type == api::DataType::kLiteral) continue;
      AddBoth(Mount(Volume(Tree(input.volume)), fmt::format("{}/{}", job::kInputsDir, input.name),
                    job::MountedFolder(input.path, input.type), true));
    }
    for (const api::Output& output : spec_.outputs) {
      const std::string volume = Volume(Tree(output.volume));
      outputs_.emplace(output.name, volume);
      AddBoth(Mount(volume, fmt::format("{}/{}", job::kOutputsDir, output.name),
                    job::MountedFolder(output.path, output.type), false));
    }
  }

  void AddBoth(const Json& mount) {
    user_.push_back(mount);
    agent_.push_back(mount);
  }

  // An output's own volume is meant where no work volume is written. Without either a scratch,
  // which only a job without logs and appended rows may have.
  std::string WorkVolume() {
    if (const api::Output* output = job::WorkOutput(spec_)) return outputs_.at(output->name);
    if (spec_.work_volume.empty()) return Volume({{"emptyDir", Json::object()}});
    return Volume(Tree(spec_.work_volume));
  }

  void AddWork() {
    const std::string volume = WorkVolume();
    const std::string folder = job::WorkFolder(job_.meta.name, job_.identity());
    agent_.push_back(Mount(volume, job::kWorkDir, folder, false));
    user_.push_back(Mount(volume, job::kUserLogsDir, folder + "/logs/user", false));
  }

  void AddTemplateVolumes() {
    const Json pod = Tree(spec_.pod_template);
    const auto found = pod.find("volumes");
    if (found == pod.end()) return;
    for (Json source : *found) {
      const std::string name = source.value("name", "");
      source.erase("name");
      const std::string at = name == job::kSharedMemoryVolume
                                 ? job::kSharedMemoryDir
                                 : fmt::format("{}/{}", job::kVolumesDir, name);
      user_.push_back(Mount(Volume(source), at, "", false));
    }
  }

  const ParallelJobView& job_;
  const api::ParallelJobSpec& spec_;
  int data_volumes_ = 0;
  std::map<std::string, std::string> names_;    // of shared volumes, by source
  std::map<std::string, std::string> outputs_;  // volumes of outputs, by output
  Json volumes_ = Json::array();
  Json install_ = Json::array();
  Json user_ = Json::array();
  Json agent_ = Json::array();
};

}  // namespace

PodVolumes VolumesOf(const ParallelJobView& job) { return Builder(job).Build(); }

}  // namespace pj::op
