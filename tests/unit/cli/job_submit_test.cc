#include "cli/job_submit.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include "api/load.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/cluster_target.h"
#include "cli/job_control.h"
#include "cli/job_view.h"
#include "cli/load_job.h"
#include "cli/operator_deployment.h"
#include "kube/memory_api.h"
#include "unit/temp_dir.h"

namespace pj::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Outcome = Submitted::Outcome;

constexpr char kManifest[] = R"(apiVersion: paralleljob.dev/v1alpha1
kind: ParallelJob
metadata: {name: score}
spec:
  inputs: [{name: data, path: in}]
  outputs: [{name: rows, type: uri_file, path: rows.csv}]
  inputData: ${{inputs.data}}
  miniBatchSize: 5
  task:
    code: {local: src}
    entryScript: score.py
    environment: {image: "python:3.11"}
    appendRowTo: ${{outputs.rows}}
)";

class JobSubmit : public testing::Test {
 protected:
  JobSubmit() : api_(std::move(*kube::MemoryApi::Open({}))) {
    Write("job.yaml", kManifest);
    Write("src/score.py", "def run(batch):\n    return batch\n");
    Write("in/a.txt", "a\n");
  }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_ / path).parent_path());
    ASSERT_TRUE(WriteFileAtomic(dir_ / path, text));
  }
  ClusterForm Form(const std::vector<std::string>& set = {}, Diagnostics* findings = nullptr) {
    Diagnostics own;
    Diagnostics* out = findings == nullptr ? &own : findings;
    api::LoadOptions load;
    load.set = set;
    std::vector<api::LoadedJob> jobs = api::LoadJobFile(dir_ / "job.yaml", load, out);
    const std::map<std::string, std::string> outputs = {{"rows", "pvc:results/score/rows.csv"}};
    ClusterForm form = ToClusterForm(std::move(jobs.at(0).job),
                                     {.file = dir_ / "job.yaml", .outputs = outputs}, out);
    for (const Diagnostic& finding : own.all()) ADD_FAILURE() << finding.ToString();
    form.job.ns = "team";
    return form;
  }
  // What is found on the way to a cluster, as text.
  std::string Findings(FileOptions file, ClusterForm* form = nullptr) {
    Diagnostics found;
    file.files = {dir_ / "job.yaml"};
    file.typed = "paralleljob submit -f job.yaml";
    std::vector<api::LoadedJob> jobs =
        api::LoadJobFile(file.files[0], ToLoadOptions(file, Severity::kError), &found);
    ClusterFormOptions how = FormOptions(file, jobs.at(0));
    how.outputs = {{"rows", "pvc:results/score/rows.csv"}};
    ClusterForm made = ToClusterForm(std::move(jobs[0].job), how, &found);
    if (form != nullptr) *form = std::move(made);
    std::string text;
    for (const Diagnostic& finding : found.all()) text += finding.ToString() + "\n";
    return text;
  }
  Result<Submitted> Send(const std::vector<std::string>& set = {}) {
    return Submit(api_.get(), Form(set));
  }
  Json Job() { return GetObject(api_.get(), kube::ParallelJobs(), "team", "score").value(); }
  std::vector<Json> Maps() { return *ListObjects(api_.get(), kube::ConfigMaps(), "team"); }

  TempDir dir_;
  std::unique_ptr<kube::MemoryApi> api_;
};

TEST_F(JobSubmit, CreatesTheJobAndMapsThatGoWithIt) {
  const auto done = Send();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(done->outcome, Outcome::kCreated);
  const Json job = Job();
  const Json code = job["spec"]["task"]["code"]["volume"];
  EXPECT_EQ(code["path"], "files");
  const std::vector<Json> maps = Maps();
  ASSERT_EQ(maps.size(), 2U);
  EXPECT_EQ(maps[0]["metadata"]["name"], code["projected"]["sources"][0]["configMap"]["name"]);
  for (const Json& map : maps) {
    EXPECT_EQ(map["immutable"], true);
    EXPECT_EQ(map["metadata"]["ownerReferences"][0]["uid"], job["metadata"]["uid"]);
    EXPECT_FALSE(map["metadata"]["labels"].contains("paralleljob.dev/job"))
        << "it is none of a run's own objects";
  }
  EXPECT_EQ(job["spec"]["inputs"][0]["path"], "files");
  EXPECT_EQ(job["spec"]["outputs"][0]["path"], "score/rows.csv");
}

TEST_F(JobSubmit, AgainChangesNothing) {
  ASSERT_TRUE(Send());
  const uint64_t writes = api_->Writes();
  const auto again = Send();
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(again->outcome, Outcome::kUnchanged);
  EXPECT_EQ(api_->Writes(), writes);
}

TEST_F(JobSubmit, ChangesWhatMayChangeAndKeepsWhatAPersonSet) {
  ASSERT_TRUE(Send());
  ASSERT_EQ(SetSuspended(api_.get(), {"team", "score"}, true), true);
  const auto again = Send({"spec.instanceCount=4", "spec.activeDeadlineSeconds=60"});
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(again->outcome, Outcome::kUpdated);
  EXPECT_THAT(again->changed, ElementsAre("activeDeadlineSeconds", "instanceCount"));
  EXPECT_EQ(Job()["spec"]["instanceCount"], 4);
  EXPECT_EQ(Job()["spec"]["suspend"], true) << "the file does not speak of it";
}

TEST_F(JobSubmit, RefusesAnotherJobOfTheSameName) {
  ASSERT_TRUE(Send());
  const auto other = Send({"spec.miniBatchSize=6"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kAlreadyExists);
  EXPECT_THAT(other.error().ToString(), HasSubstr("another spec.miniBatchSize"));
  Write("src/score.py", "changed = True\n");
  const auto code = Send();
  ASSERT_FALSE(code);
  EXPECT_THAT(code.error().ToString(), HasSubstr("another spec.task"));
  EXPECT_EQ(Maps().size(), 2U) << "nothing is written for a job that is refused";
}

TEST_F(JobSubmit, InputsWithinTheCodeAreDataAndRunsAreNeither) {
  const std::vector<std::string> beside = {"spec.task.code.local=.",
                                           "spec.task.entryScript=src/score.py"};
  ASSERT_TRUE(Send(beside));
  const ClusterForm form = Form(beside);
  EXPECT_EQ(form.code_files, 2U) << "job.yaml and src/score.py";
  EXPECT_EQ(CodeText(form).substr(0, 14), "code: 2 files,");
  Write("score-output/.paralleljob/lock", "1");
  Write("score-output/outputs/rows/rows.csv", "1\n");
  const auto again = Send(beside);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(again->outcome, Outcome::kUnchanged);
}

TEST_F(JobSubmit, AnInputIsDataWhereverItIsReadFrom) {
  FileOptions file;
  file.set = {"spec.task.code.local=.", "spec.task.entryScript=src/score.py"};
  file.input_paths = {{"data", "pvc:data/in"}};
  ClusterForm form;
  EXPECT_EQ(Findings(file, &form), "");
  EXPECT_EQ(form.code_files, 2U) << "job.yaml and src/score.py";
}

TEST_F(JobSubmit, AnInputOfAPipelineIsDataWhereverItIsReadFrom) {
  Write("job.yaml", R"(type: pipeline
display_name: score
inputs: {data: {type: uri_folder, path: ./in}}
jobs:
  score:
    type: parallel
    inputs: {data: "${{parent.inputs.data}}"}
    outputs: {rows: {type: uri_file}}
    input_data: ${{inputs.data}}
    mini_batch_size: "5"
    task: {type: run_function, code: ., entry_script: src/score.py,
           environment: {image: "python:3.11"}, append_row_to: "${{outputs.rows}}"}
)");
  FileOptions file;
  ClusterForm form;
  EXPECT_EQ(Findings(file, &form), "");
  EXPECT_EQ(form.code_files, 2U) << "job.yaml and src/score.py";
  file.input_paths = {{"data", "pvc:data/in"}};
  EXPECT_EQ(Findings(file, &form), "");
  EXPECT_EQ(form.code_files, 2U);
}

TEST_F(JobSubmit, TheFolderOfTheScriptIsCodeEvenAsAnInput) {
  const ClusterForm form = Form({"spec.task.code.local=.", "spec.task.entryScript=src/score.py",
                                 "spec.inputs[data].path=src"});
  EXPECT_EQ(form.code_files, 3U);
}

TEST_F(JobSubmit, GoesOnAfterALostAnswer) {
  int calls = 0;
  api_->SetFaultHook([&](const kube::Request& request) {
    const bool create = request.verb == kube::Verb::kCreate;
    return create && ++calls == 2 ? kube::Fault::kLoseResponse : kube::Fault::kNone;
  });
  EXPECT_FALSE(Send());
  const auto again = Send();
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(Maps().size(), 2U);
}

// A garbage collector that comes late: the maps of the former job go when the new one is there.
class LateCollector : public kube::Api {
 public:
  explicit LateCollector(kube::Api* api) : api_(api) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    Result<kube::Response> done = api_->Do(request);
    if (request.verb != kube::Verb::kCreate || request.type != kube::ParallelJobs()) return done;
    const auto maps = ListObjects(api_, kube::ConfigMaps(), "team");
    for (const Json& map : *maps) {
      EXPECT_TRUE(api_->Do({.verb = kube::Verb::kDelete,
                            .type = kube::ConfigMaps(),
                            .ns = "team",
                            .name = map["metadata"]["name"]}));
    }
    return done;
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

 private:
  kube::Api* const api_;
};

TEST_F(JobSubmit, MapsThatGoWithTheFormerJobAreMadeAnew) {
  LateCollector collector(api_.get());
  const auto done = Submit(&collector, Form());
  ASSERT_TRUE(done) << done.error().ToString();
  const std::vector<Json> maps = Maps();
  ASSERT_EQ(maps.size(), 2U);
  for (const Json& map : maps) {
    EXPECT_EQ(map["metadata"]["ownerReferences"][0]["uid"], Job()["metadata"]["uid"]);
  }
}

// The collector has not come yet: with our name added, it might take them all the same.
TEST_F(JobSubmit, MapsThatAreToGoAreNotAdopted) {
  ASSERT_TRUE(Send());
  std::set<std::string> former;
  for (Json map : Maps()) {
    former.insert(map["metadata"]["uid"]);
    map["metadata"]["ownerReferences"][0]["uid"] = "of-the-former-job";
    ASSERT_TRUE(Ask(api_.get(), {.verb = kube::Verb::kUpdate,
                                 .type = kube::ConfigMaps(),
                                 .ns = "team",
                                 .name = map["metadata"]["name"],
                                 .body = DumpJson(map)}));
  }
  ASSERT_TRUE(Ask(
      api_.get(),
      {.verb = kube::Verb::kDelete, .type = kube::ParallelJobs(), .ns = "team", .name = "score"}));
  ASSERT_EQ(Maps().size(), 2U);
  const auto done = Send();
  ASSERT_TRUE(done) << done.error().ToString();
  for (const Json& map : Maps()) {
    EXPECT_FALSE(former.contains(map["metadata"]["uid"]));
    ASSERT_EQ(map["metadata"]["ownerReferences"].size(), 1U);
    EXPECT_EQ(map["metadata"]["ownerReferences"][0]["uid"], Job()["metadata"]["uid"]);
  }
}

TEST_F(JobSubmit, SaysThatTheJobIsBeingDeleted) {
  ASSERT_TRUE(Send());
  Json job = Job();
  job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  ClusterForm form = Form();
  class Deleting : public kube::Api {
   public:
    explicit Deleting(std::string body) : body_(std::move(body)) {}
    Result<kube::Response> Do(const kube::Request& request) override {
      EXPECT_EQ(request.verb, kube::Verb::kGet) << "nothing is written";
      return kube::Response{.code = 200, .body = body_};
    }
    Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest&) override {
      return Fail(Code::kInternal, "no watch");
    }

   private:
    const std::string body_;
  } api(DumpJson(job));
  const auto done = Submit(&api, form);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kUnavailable);
  EXPECT_THAT(done.error().ToString(), HasSubstr("is being deleted"));
}

TEST_F(JobSubmit, NamesWhatACLusterLacks) {
  Diagnostics findings;
  Form({"spec.task.environment.image=", "spec.outputs[rows].volume={emptyDir: {}}"}, &findings);
  std::string text;
  for (const Diagnostic& finding : findings.all()) text += finding.ToString() + "\n";
  EXPECT_THAT(text, HasSubstr("spec.task.environment.image"));
  std::filesystem::remove_all(dir_ / "in");
  Diagnostics missing;
  api::LoadOptions load;
  load.check_files = false;
  std::vector<api::LoadedJob> jobs = api::LoadJobFile(dir_ / "job.yaml", load, &missing);
  ToClusterForm(std::move(jobs.at(0).job), {.file = dir_ / "job.yaml"}, &missing);
  ASSERT_TRUE(missing.HasErrors());
  EXPECT_THAT(missing.all().front().ToString(), HasSubstr("spec.inputs[data]"));
}

constexpr char kAsksForPackages[] =
    "spec.task.environment={image: other, condaFile: env.yml, pip: [rich]}";
constexpr char kConda[] =
    "dependencies:\n  - python=3.11\n  - gdal\n  - pip:\n      - numpy\n      - pandas>=2\n";

TEST_F(JobSubmit, RefusesPackagesAndSaysWhatToType) {
  Write("env.yml", kConda);
  const std::string text = Findings({.set = {kAsksForPackages}});
  EXPECT_THAT(text, HasSubstr("error: spec.task.environment: condaFile and pip are not supported"));
  EXPECT_THAT(text, HasSubstr("holds python=3.11, gdal, numpy, pandas>=2, rich"));
  EXPECT_THAT(text, HasSubstr("type: paralleljob submit -f job.yaml --image score=REFERENCE"));
}

TEST_F(JobSubmit, AnImageThatIsGivenIsTheWholeEnvironment) {
  Write("env.yml", kConda);
  ClusterForm form;
  const std::string text =
      Findings({.images = {{"score", "team/score:2"}}, .set = {kAsksForPackages}}, &form);
  EXPECT_THAT(text, HasSubstr("note: spec.task.environment: is team/score:2 as it is: it must "
                              "hold python=3.11, gdal, numpy, pandas>=2, rich"));
  EXPECT_THAT(text, Not(HasSubstr("error")));
  const api::Environment& environment = form.job.spec.task.environment;
  EXPECT_EQ(environment.image, "team/score:2");
  EXPECT_EQ(environment.conda_file, "");
  EXPECT_TRUE(environment.pip.empty());
}

TEST_F(JobSubmit, SaysWhatHasNoEffectOnACluster) {
  EXPECT_EQ(Findings({}), "");
  EXPECT_THAT(Findings({.set = {"spec.copyLogsToParent=true"}}),
              HasSubstr("note: spec.copyLogsToParent: has no effect on a cluster"));
}

TEST_F(JobSubmit, FindsWhatWorkersGetWhenTheirPodsAreGone) {
  const auto image = [this] {
    return FlagsOfWorkers(api_.get(), "team").value_or(WorkerFlags()).image;
  };
  EXPECT_EQ(image(), "");
  const auto install = [&](const std::string& ns, const std::string& args) {
    const std::string body = fmt::format(
        R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"pj","namespace":"{}",
        "labels":{{"app.kubernetes.io/name":"paralleljob-operator"}}}},
        "spec":{{"template":{{"spec":{{"containers":[{{"args":[{}]}}]}}}}}}}})",
        ns, args);
    const auto made =
        api_->Do({.verb = kube::Verb::kCreate, .type = Deployments(), .ns = ns, .body = body});
    ASSERT_TRUE(made && made->ok());
  };
  install("other", R"("--namespace=other","--worker-image=registry/worker:old")");
  EXPECT_EQ(image(), "") << "that operator does not serve this namespace";
  install("system", R"("--log-level=info","--worker-image=registry/worker:2")");
  EXPECT_EQ(image(), "registry/worker:2");
  install("team", R"("--namespace=team","--worker-image=registry/worker:3",
                     "--image-pull-secret=one","--image-pull-secret=two","--run-as-user=1000",
                     "--fs-group=2000","--image-pull-policy=Always")");
  EXPECT_EQ(image(), "registry/worker:3") << "the nearest one";
  const WorkerFlags flags = FlagsOfWorkers(api_.get(), "team").value();
  EXPECT_THAT(flags.image_pull_secrets, testing::ElementsAre("one", "two"));
  EXPECT_EQ(flags.run_as_user, "1000");
  EXPECT_EQ(flags.fs_group, "2000");
  EXPECT_EQ(flags.image_pull_policy, "Always");
}

TEST_F(JobSubmit, ControlsAJobUntilItsEnd) {
  const JobAddress job{"team", "score"};
  EXPECT_EQ(SetSuspended(api_.get(), job, true).error().code, Code::kNotFound);
  ASSERT_TRUE(Send());
  EXPECT_EQ(SetSuspended(api_.get(), job, true), true);
  EXPECT_EQ(SetSuspended(api_.get(), job, true), false);
  EXPECT_EQ(SetSuspended(api_.get(), job, false), true);
  EXPECT_EQ(SetInstances(api_.get(), job, 3), true);
  EXPECT_EQ(Job()["spec"]["instanceCount"], 3);
  EXPECT_EQ(SetInstances(api_.get(), job, -1).error().code, Code::kInvalid);
  EXPECT_EQ(Cancel(api_.get(), job), true);
  EXPECT_EQ(Job()["spec"]["cancel"], true);
  Json ended = Job();
  ended["status"] = {{"state", "Failed"},
                     {"conditions",
                      {{{"type", "Failed"},
                        {"status", "True"},
                        {"reason", "Cancelled"},
                        {"message", "by hand"}}}}};
  ASSERT_TRUE(Ask(api_.get(), {.verb = kube::Verb::kUpdateStatus,
                               .type = kube::ParallelJobs(),
                               .ns = "team",
                               .name = "score",
                               .body = DumpJson(ended)}));
  const auto late = SetInstances(api_.get(), job, 5);
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().ToString(), HasSubstr("has ended (Failed)"));
  EXPECT_EQ(GetJob(api_.get(), "team", "score")->reason, "Cancelled");
}

TEST_F(JobSubmit, RepeatsAChangeThatMetAnother) {
  ASSERT_TRUE(Send());
  int conflicts = 3;
  api_->SetFaultHook([&](const kube::Request& request) {
    const bool update = request.verb == kube::Verb::kUpdate;
    return update && conflicts-- > 0 ? kube::Fault::kConflict : kube::Fault::kNone;
  });
  EXPECT_EQ(SetInstances(api_.get(), {"team", "score"}, 7), true);
  EXPECT_EQ(Job()["spec"]["instanceCount"], 7);
}

TEST(JobView, SaysWhetherAnOperatorHasLooked) {
  const JobView fresh =
      ViewOf(ParseJson(R"({"metadata":{"name":"a","uid":"u"},"spec":{}})").value());
  EXPECT_EQ(fresh.state, "Pending");
  EXPECT_FALSE(fresh.seen);
  EXPECT_THAT(fresh.message, HasSubstr("doctor"));
}

TEST(JobView, ReadsAWholeStatus) {
  const JobView job = ViewOf(ParseJson(R"({"metadata":{"name":"a","namespace":"n","uid":"u"},
    "spec":{"instanceCount":2},"status":{"state":"Running","run":1,"retries":3,
    "progress":"40%","rate":"2/s","eta":"30s","miniBatches":{"total":10,"succeeded":3,"failed":1},
    "items":{"total":50,"succeeded":15,"failed":5},"workers":{"wanted":2,"ready":1},
    "errors":[{"count":4,"message":"ValueError: x","miniBatches":[1,7],"log":"user/error/a.txt"}],
    "conditions":[{"type":"Reconciling","status":"True","reason":"Running","message":"m"},
                  {"type":"Stalled","status":"False"}]}})")
                                 .value());
  EXPECT_EQ(ProgressText(job),
            "Running: 4/10 mini-batches · 2/s · ETA 30s · 1 failed · 3 retries · 1/2 workers");
  EXPECT_EQ(ErrorsText(job),
            "  4 × ValueError: x\n      mini-batches 1, 7\n      log user/error/a.txt\n");
  EXPECT_FALSE(job.Ended() || job.stalled);
}

}  // namespace
}  // namespace pj::cli
