// What of a manifest arrives in the pods, and where.
#include "operator/pod_template.h"

#include "job/pod_contract.h"
#include "tests/unit/api/azure_files.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::Contains;
using testing::Not;
using testing::SizeIs;

constexpr char kUid[] = "0b5e0e6c-3c1f-4d55-9a3e-2f7c8f1d9a01";

// SmallJob() with a podTemplate.
ParallelJobView JobWith(const Json& pod_template) {
  Json job = SmallJob();
  job["metadata"]["uid"] = kUid;
  if (!pod_template.is_null()) job["spec"]["podTemplate"] = pod_template;
  Result<ParallelJobView> view = DecodeParallelJob(job.dump());
  EXPECT_TRUE(view) << view.error().ToString();
  EXPECT_EQ(view->problem, "") << pod_template;
  return std::move(*view);
}

// A worker pod's template.
class Template {
 public:
  explicit Template(const ParallelJobView& job, const OperatorOptions& options = {})
      : json_(Json::parse(WorkerTemplate(job, options))) {}
  explicit Template(const std::string& pod_template)
      : Template(JobWith(Json::parse(pod_template))) {}

  // By JSON pointer; null if nothing is there.
  Json At(const std::string& pointer) const {
    const Json::json_pointer at(pointer);
    return json_.contains(at) ? json_.at(at) : Json();
  }
  Json Install() const { return At("/spec/initContainers/0"); }
  Json User() const { return At("/spec/initContainers/1"); }
  Json Agent() const { return At("/spec/containers/0"); }

  // The source of what `container` has mounted at `path`; null if nothing is.
  Json MountedAt(const Json& container, const std::string& path) const {
    for (const Json& mount : container["volumeMounts"]) {
      if (mount["mountPath"] == path) return VolumeOf(mount);
    }
    return {};
  }

 private:
  Json VolumeOf(const Json& mount) const {
    for (const Json& volume : At("/spec/volumes")) {
      if (volume["name"] == mount["name"]) return volume;
    }
    ADD_FAILURE() << "no volume for " << mount;
    return {};
  }

  Json json_;
};

Json Variable(const std::string& name, const std::string& value) {
  return {{"name", name}, {"value", value}};
}

// --- podTemplate, field by field -----------------------------------------------------------------

struct Field {
  std::string pod_template;
  std::string pointer;
  std::string value;
};

TEST(PodTemplate, EachFieldArrives) {
  const Field fields[] = {
      {R"({"nodeSelector": {"disk": "fast"}})", "/spec/nodeSelector", R"({"disk": "fast"})"},
      {R"({"affinity": {"podAntiAffinity": {"x": 1}}})", "/spec/affinity/podAntiAffinity",
       R"({"x": 1})"},
      {R"({"tolerations": [{"key": "gpu", "operator": "Exists"}]})", "/spec/tolerations/0",
       R"({"key": "gpu", "operator": "Exists"})"},
      {R"({"serviceAccountName": "cloud"})", "/spec/serviceAccountName", R"("cloud")"},
      {R"({"imagePullSecrets": [{"name": "mine"}]})", "/spec/imagePullSecrets",
       R"([{"name": "mine"}])"},
      {R"({"priorityClassName": "high"})", "/spec/priorityClassName", R"("high")"},
      {R"({"runtimeClassName": "nvidia"})", "/spec/runtimeClassName", R"("nvidia")"},
      {R"({"labels": {"team": "a"}})", "/metadata/labels/team", R"("a")"},
      {R"({"annotations": {"note": "b"}})", "/metadata/annotations/note", R"("b")"},
      {R"({"env": [{"name": "A", "value": "1"}]})", "/spec/initContainers/1/env/0",
       R"({"name": "A", "value": "1"})"},
      {R"({"envFrom": [{"secretRef": {"name": "s"}}]})", "/spec/initContainers/1/envFrom",
       R"([{"secretRef": {"name": "s"}}])"},
      {R"({"resources": {"requests": {"cpu": 2}, "limits": {"memory": "4Gi"}}})",
       "/spec/initContainers/1/resources",
       R"({"requests": {"cpu": 2}, "limits": {"memory": "4Gi"}})"},
  };
  const Template bare{JobWith({})};
  for (const Field& field : fields) {
    EXPECT_EQ(Template(field.pod_template).At(field.pointer), Json::parse(field.value))
        << field.pod_template;
    EXPECT_NE(bare.At(field.pointer), Json::parse(field.value)) << field.pointer;
  }
}

TEST(PodTemplate, WhatIsTheUsersReachesNoOtherContainer) {
  const Template pod(R"({"env": [{"name": "A", "value": "1"}],
                         "envFrom": [{"secretRef": {"name": "s"}}],
                         "resources": {"limits": {"cpu": 8}},
                         "volumes": [{"name": "v", "emptyDir": {}}]})");
  for (const Json& container : {pod.Install(), pod.Agent()}) {
    EXPECT_FALSE(container.contains("envFrom")) << container["name"];
    EXPECT_FALSE(container["resources"]["limits"].contains("cpu")) << container["name"];
    if (container.contains("env")) {
      EXPECT_THAT(container["env"], Not(Contains(Variable("A", "1"))));
    }
    EXPECT_EQ(pod.MountedAt(container, "/paralleljob/volumes/v"), Json());
  }
}

TEST(PodTemplate, OwnLabelsWinOverTheManifests) {
  const Template pod(R"({"labels": {"app.kubernetes.io/name": "mine", "other": "x"}})");
  EXPECT_EQ(pod.At("/metadata/labels/app.kubernetes.io~1name"), "paralleljob");
  EXPECT_EQ(pod.At("/metadata/labels/app.kubernetes.io~1component"), "worker");
  EXPECT_EQ(pod.At("/metadata/labels/other"), "x");
}

TEST(PodTemplate, ALostNodeIsToleratedForSecondsUnlessTheManifestSaysHowLong) {
  const Json own{{"key", "node.kubernetes.io/unreachable"},
                 {"operator", "Exists"},
                 {"effect", "NoExecute"},
                 {"tolerationSeconds", 7}};
  OperatorOptions options;
  options.toleration_seconds = 11;
  const Template pod(JobWith({{"tolerations", Json::array({own})}}), options);
  EXPECT_THAT(pod.At("/spec/tolerations"), SizeIs(2));
  EXPECT_EQ(pod.At("/spec/tolerations/0"), own);
  EXPECT_EQ(pod.At("/spec/tolerations/1/key"), "node.kubernetes.io/not-ready");
  EXPECT_EQ(pod.At("/spec/tolerations/1/tolerationSeconds"), 11);
}

TEST(PodTemplate, PullSecretsOfTheOperatorStandBesideTheManifests) {
  OperatorOptions options;
  options.image_pull_secrets = {"shared", "mine"};
  const Template both(JobWith({{"imagePullSecrets", Json::array({{{"name", "mine"}}})}}), options);
  EXPECT_EQ(both.At("/spec/imagePullSecrets"), Json::parse(R"([{"name": "mine"},
                                                               {"name": "shared"}])"));
  EXPECT_EQ(Template(JobWith({}), options).At("/spec/imagePullSecrets"),
            Json::parse(R"([{"name": "shared"}, {"name": "mine"}])"));
  EXPECT_EQ(Template(JobWith({})).At("/spec/imagePullSecrets"), Json());
  EXPECT_EQ(Json::parse(FinaliserTemplate(JobWith({}), options))["spec"]["imagePullSecrets"],
            Json::parse(R"([{"name": "shared"}, {"name": "mine"}])"));
}

TEST(PodTemplate, TheAgentLearnsTheNumberOfGpus) {
  const auto gpus = [](const std::string& limits) {
    const Template pod(R"({"resources": {"limits": )" + limits + "}}");
    const Json agent = pod.Agent();
    for (const Json& variable : agent["env"]) {
      if (variable["name"] == job::kEnvGpus) return variable["value"].get<std::string>();
    }
    return std::string("none");
  };
  EXPECT_EQ(gpus(R"({"nvidia.com/gpu": 2})"), "2");
  EXPECT_EQ(gpus(R"({"amd.com/gpu": "1", "cpu": 4})"), "1");
  EXPECT_EQ(gpus(R"({"gpu.intel.com/i915": 3})"), "3");
  EXPECT_EQ(gpus(R"({"cpu": 4, "nvidia.com/gpu": 0})"), "none");
}

// --- The rest of the spec ------------------------------------------------------------------------

TEST(PodTemplate, VariablesOfTheJobOverrideThoseOfThePod) {
  Json job = SmallJob();
  job["metadata"]["uid"] = kUid;
  job["spec"]["podTemplate"]["env"] = Json::array({Variable("A", "pod")});
  job["spec"]["task"]["environment"]["variables"] = {{"A", "environment"}};
  job["spec"]["environmentVariables"] = {{"A", "job"}};
  const Template pod(DecodeParallelJob(job.dump()).value());
  const Json user = pod.User();
  std::string last;  // the one that counts for Kubernetes
  for (const Json& variable : user["env"]) {
    if (variable["name"] == "A") last = variable["value"];
  }
  EXPECT_EQ(last, "job");
  EXPECT_THAT(user["env"], Contains(Variable("HOME", job::kHomeDir)));
  EXPECT_THAT(user["env"], Contains(Variable("TMPDIR", job::kTmpDir)));
}

TEST(PodTemplate, EveryContainerIsRestricted) {
  OperatorOptions options;
  options.run_as_user = 1234;
  options.fs_group = 5678;
  const Template pod(JobWith({}), options);
  const Json context = pod.At("/spec/securityContext");
  EXPECT_EQ(context["runAsNonRoot"], true);
  EXPECT_EQ(context["runAsUser"], 1234);
  EXPECT_EQ(context["fsGroup"], 5678);
  EXPECT_EQ(context["seccompProfile"]["type"], "RuntimeDefault");
  EXPECT_EQ(pod.At("/spec/automountServiceAccountToken"), false);
  for (const Json& container : {pod.Install(), pod.User(), pod.Agent()}) {
    const Json own = container["securityContext"];
    EXPECT_EQ(own["allowPrivilegeEscalation"], false) << container["name"];
    EXPECT_EQ(own["readOnlyRootFilesystem"], true) << container["name"];
    EXPECT_EQ(own["capabilities"]["drop"], Json::array({"ALL"})) << container["name"];
  }
  EXPECT_NE(pod.MountedAt(pod.Agent(), job::kTokenDir), Json());
  EXPECT_EQ(pod.MountedAt(pod.User(), job::kTokenDir), Json());
}

// --- Volumes -------------------------------------------------------------------------------------

TEST(PodTemplate, AVolumeIsMountedByItsName) {
  const Template pod(R"({"volumes": [{"name": "models",
                                      "persistentVolumeClaim": {"claimName": "m"}}]})");
  EXPECT_EQ(pod.MountedAt(pod.User(), "/paralleljob/volumes/models")["persistentVolumeClaim"],
            Json::parse(R"({"claimName": "m"})"));
}

TEST(PodTemplate, AzuresSharedMemoryIsTheUserContainers) {
  api::AzureFiles files;
  const std::string text =
      api::With(api::kBare, "input_data", "resources: {shm_size: 2g}\ninput_data");
  ParallelJobView job = JobWith({});
  job.job.spec.pod_template = api::MustLoad(files, text).spec().pod_template;
  const Template pod(job);
  EXPECT_EQ(pod.MountedAt(pod.User(), "/dev/shm")["emptyDir"],
            Json::parse(R"({"medium": "Memory", "sizeLimit": "2Gi"})"));
  EXPECT_EQ(pod.MountedAt(pod.User(), "/paralleljob/volumes/dshm"), Json());
  EXPECT_EQ(pod.MountedAt(pod.Agent(), "/dev/shm"), Json());
}

TEST(PodTemplate, AClaimThatIsNamedTwiceIsOneVolume) {
  const Template pod{JobWith({})};
  const Json in = pod.MountedAt(pod.User(), "/paralleljob/inputs/data");
  EXPECT_EQ(in["persistentVolumeClaim"]["claimName"], "shared");
  EXPECT_EQ(pod.MountedAt(pod.User(), "/paralleljob/outputs/rows"), in);
  EXPECT_EQ(pod.MountedAt(pod.Agent(), "/paralleljob/work"), in);
}

TEST(PodTemplate, EqualScratchVolumesAreNotShared) {
  const std::string claim = R"({"volumeClaimTemplate": {"spec": {}}})";
  const Template pod(R"({"volumes": [
      {"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}},
      {"name": "c", "ephemeral": )" +
                     claim + R"(}, {"name": "d", "ephemeral": )" + claim + "}]}");
  std::set<std::string> names;
  for (const char* name : {"a", "b", "c", "d"}) {
    const Json volume = pod.MountedAt(pod.User(), std::string(job::kVolumesDir) + "/" + name);
    ASSERT_TRUE(volume.is_object()) << name;
    names.insert(volume["name"]);
  }
  EXPECT_EQ(names.size(), 4u);
}

TEST(PodTemplate, WorkOnAnOutputsScratchIsOnThatOutputsVolume) {
  Json job = SmallJob();
  job["metadata"]["uid"] = kUid;
  job["spec"]["outputs"][0]["volume"] = {{"emptyDir", Json::object()}};
  const Template pod(DecodeParallelJob(job.dump()).value());
  const Json output = pod.MountedAt(pod.Agent(), "/paralleljob/outputs/rows");
  ASSERT_TRUE(output.contains("emptyDir"));
  EXPECT_EQ(pod.MountedAt(pod.Agent(), job::kWorkDir), output);

  job["spec"]["work"]["volume"] = {{"emptyDir", Json::object()}};
  const Template apart(DecodeParallelJob(job.dump()).value());
  EXPECT_NE(apart.MountedAt(apart.Agent(), job::kWorkDir),
            apart.MountedAt(apart.Agent(), "/paralleljob/outputs/rows"));
}

}  // namespace
}  // namespace pj::op
