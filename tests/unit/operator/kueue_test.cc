// What Kueue is told when a job of one of its queues is suspended and goes on. Kueue itself is
// played by the test.
#include "operator/kueue.h"

#include <algorithm>
#include <utility>

#include "operator/permissions.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr char kNote[] = "paralleljob.dev/suspended";

// A server that knows some versions of Workloads, or none, and may refuse them.
class KueueApi : public kube::Api {
 public:
  explicit KueueApi(kube::Api* api) : api_(api) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.type.plural != "workloads") return api_->Do(request);
    if (!served.contains(request.type.version)) {
      return kube::Response{.code = 404, .reason = "NotFound", .message = "no such resource"};
    }
    ++(request.verb == kube::Verb::kList ? asked : written);
    if (refusal != 0) return kube::Response{.code = refusal, .message = "no, says the server"};
    return api_->Do(request);
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

  std::set<std::string> served = {"v1beta2"};
  int refusal = 0;
  int asked = 0;
  int written = 0;

 private:
  kube::Api* api_;
};

class KueueTest : public OperatorTest {
 protected:
  KueueTest() { Remake(true); }

  void Remake(bool kueue) {
    telling_ = std::make_unique<Reconciler>(ReconcilerOptions{
        .api = &kueue_, .reader = reader_.get(), .clock = &clock_, .job = {.kueue = kueue}});
  }
  void SetUp() override { ApplyQueued(); }
  // A job of a queue, which Kueue has admitted, with a pod that works.
  void ApplyQueued(const kube::ResourceType& type = Workloads().front()) {
    type_ = type;
    Json job = SmallJob();
    job["metadata"]["labels"] = {{"kueue.x-k8s.io/queue-name", "batch"}};
    Apply(job);
    Next();
    PutWorkload("job-score-1");
    Plan(100);
    PutPod("p0", Running());
    PutShard(Shard(100, 10));
    Next(Seconds(6));
  }
  Nanos Next(Nanos after = Nanos(0)) {
    clock_.Advance(after);
    const Result<Nanos> next = telling_->Reconcile({kNs, kName});
    EXPECT_TRUE(next) << next.error().ToString();
    return next.value_or(kNever);
  }
  void Suspend(bool suspend) {
    Change([suspend](Json& job) { job["spec"]["suspend"] = suspend; });
    Next(Seconds(6));
  }
  // All that the workers held is free.
  void Drain() {
    ledger::ShardRecord released = Shard(100, 12);
    released.holder = "";
    PutShard(released);
    Next(Seconds(6));
  }

  // --- what Kueue does --------------------------------------------------------------------------
  void PutWorkload(const std::string& name) {
    Make(type_, {{"apiVersion", type_.ApiVersion()},
                 {"kind", "Workload"},
                 {"metadata",
                  {{"name", name},
                   {"namespace", kNs},
                   {"labels", {{"kueue.x-k8s.io/job-uid", Job()["metadata"]["uid"]}}}}},
                 {"spec", {{"queueName", "batch"}, {"active", true}}}});
  }
  void SuspendJob(bool suspend) {
    Json job = Job();
    job["spec"]["suspend"] = suspend;
    Put(Jobs(), job);
    Next(Seconds(6));
  }
  Json Workload(const std::string& name = "job-score-1") { return Get(type_, name); }
  bool Active() { return Workload()["spec"]["active"]; }
  bool Noted() { return Workload()["metadata"].value("annotations", Json()).contains(kNote); }
  void SetActive(bool active) {
    Json workload = Workload();
    workload["spec"]["active"] = active;
    Put(type_, workload);
  }
  std::string Says(const std::string& condition, const std::string& key = "message") {
    return Condition(condition).value(key, "");
  }

  kube::ResourceType type_;
  KueueApi kueue_{api_.get()};
  std::unique_ptr<Reconciler> telling_;
};

TEST_F(KueueTest, ASuspendedJobsWorkloadIsInactiveOnceItHasDrained) {
  Suspend(true);
  EXPECT_TRUE(Active()) << "Kueue would end the pods at once";
  Drain();
  EXPECT_FALSE(Active());
  EXPECT_EQ(Workload()["spec"]["queueName"], "batch") << "the rest is Kueue's";
  EXPECT_EQ(Job()["spec"]["suspend"], false) << "the Job's suspend is the queue's";
  EXPECT_EQ(ConditionIs("Suspended"), "True");
  SuspendJob(true);
  const int asked = kueue_.asked;
  const uint64_t writes = api_->Writes();
  for (int i = 0; i < 100; ++i) Next(Seconds(60));
  EXPECT_EQ(kueue_.asked, asked) << "nothing has changed";
  EXPECT_EQ(api_->Writes(), writes);
}

TEST_F(KueueTest, AHangingDrainEndsWithItsGrace) {
  Suspend(true);
  Next(Seconds(39));
  EXPECT_TRUE(Active());
  Next(Seconds(2));
  EXPECT_FALSE(Active());
}

TEST_F(KueueTest, AJobThatGoesOnIsActiveAgain) {
  Suspend(true);
  Drain();
  SuspendJob(true);
  Suspend(false);
  EXPECT_TRUE(Active());
  EXPECT_FALSE(Noted());
  EXPECT_EQ(Control().mode, ledger::Control::Mode::kRun);
  EXPECT_EQ(Says("Reconciling", "reason"), "Queued");
  SuspendJob(false);
  EXPECT_EQ(Says("Reconciling", "reason"), "Running");
  const int asked = kueue_.asked;
  for (int i = 0; i < 100; ++i) Next(Seconds(6));
  EXPECT_EQ(kueue_.asked, asked) << "a Job that runs is as wanted";
}

TEST_F(KueueTest, ANewOperatorKnowsWhatItHadStopped) {
  Suspend(true);
  Drain();
  SuspendJob(true);
  Remake(true);
  Suspend(false);
  EXPECT_TRUE(Active());
}

TEST_F(KueueTest, WhatOthersHaveStoppedStaysSo) {
  SetActive(false);
  SuspendJob(true);
  EXPECT_EQ(Says("Reconciling", "reason"), "QueueInactive") << "somebody stopped a job that runs";
  Suspend(true);
  Drain();
  Suspend(false);
  EXPECT_FALSE(Active());
  EXPECT_FALSE(Noted());
  EXPECT_EQ(kueue_.written, 0);
  EXPECT_EQ(Says("Reconciling", "reason"), "QueueInactive");
  EXPECT_THAT(Says("Reconciling"), HasSubstr("kubectl patch workload job-score-1"));
  SetActive(true);
  SuspendJob(false);
  EXPECT_EQ(Says("Reconciling", "reason"), "Running");
}

TEST_F(KueueTest, AWorkloadThatKueueMakesAnewIsStoppedAsWell) {
  Suspend(true);
  Drain();
  SuspendJob(true);
  Delete(type_, "job-score-1");
  PutWorkload("job-score-1");
  SuspendJob(false);  // admitted
  EXPECT_FALSE(Active());
}

TEST_F(KueueTest, ASlowKueueIsAskedEverMoreSeldom) {
  Suspend(true);
  Drain();  // and the Job is never suspended
  for (int i = 0; i < 3600 / 30; ++i) Next(Seconds(30));
  EXPECT_GE(kueue_.asked, 10);
  EXPECT_LE(kueue_.asked, 20);
  EXPECT_EQ(kueue_.written, 1);
}

TEST_F(KueueTest, AJobThatWaitsInItsQueueSaysSo) {
  SetPodStatus("p0", {{"phase", "Failed"}});
  SuspendJob(true);
  EXPECT_EQ(Says("Reconciling", "reason"), "Queued");
  EXPECT_EQ(kueue_.asked, 1);
  for (int i = 0; i < 100; ++i) Next(Seconds(60));
  EXPECT_EQ(kueue_.asked, 1) << "Kueue will say when";
}

TEST_F(KueueTest, AJobThatIsSuspendedFromTheStartGetsItsJobLater) {
  Delete(kube::ParallelJobs(), kName);
  Delete(Pods(), "p0");
  Next();
  Json job = SmallJob();
  job["metadata"]["labels"] = {{"kueue.x-k8s.io/queue-name", "batch"}};
  job["spec"]["suspend"] = true;
  Apply(job);
  Next();
  Next(Seconds(60));
  EXPECT_EQ(List(Jobs()).size(), 0u) << "Kueue would admit it and start its pods";
  EXPECT_EQ(ConditionIs("Suspended"), "True");
  Suspend(false);
  EXPECT_EQ(List(Jobs()).size(), 1u);
}

TEST_F(KueueTest, ARefusalIsToldOnceAndStopsNothing) {
  for (const int code : {403, 409, 422, 500, 503}) {
    SCOPED_TRACE(code);
    kueue_.refusal = code;
    Suspend(true);
    Drain();
    EXPECT_EQ(ConditionIs("Suspended"), "True");
    EXPECT_THAT(Says("Suspended"), HasSubstr("not told that the job is suspended"));
    EXPECT_THAT(Says("Suspended"), HasSubstr("by hand: set spec.active"));
    if (code == 403) {
      EXPECT_THAT(Says("Suspended"), HasSubstr("kueue.enabled"));
    }
    for (int i = 0; i < 10; ++i) Next(Seconds(60));
    EXPECT_EQ(std::ranges::count(EventReasons(), "QueueNotTold"), 1);
    Suspend(false);
    EXPECT_EQ(Control().mode, ledger::Control::Mode::kRun);
    for (const Json& event : List(Events())) Delete(Events(), event["metadata"]["name"]);
    Remake(true);
  }
  kueue_.refusal = 0;
  Suspend(true);
  Drain();
  EXPECT_FALSE(Active()) << "what was refused is done as soon as it can be";
}

TEST_F(KueueTest, WithoutKueueTheLabelIsTheMistake) {
  kueue_.served = {};
  Suspend(true);
  Drain();
  EXPECT_THAT(Says("Suspended"), HasSubstr("this cluster has no Workloads of Kueue"));
  EXPECT_THAT(Says("Suspended"), HasSubstr("remove the label kueue.x-k8s.io/queue-name"));
  EXPECT_THAT(EventReasons(), Contains("QueueNotTold"));
}

TEST_F(KueueTest, AJobThatKueueKnowsNothingOfIsNamed) {
  Delete(type_, "job-score-1");
  Suspend(true);
  Drain();
  const std::string job = Job()["metadata"]["name"];
  EXPECT_THAT(Says("Suspended"), HasSubstr("no Workload of Job " + job + ": start Kueue"));
  PutWorkload("job-score-1");
  Next(Seconds(60));
  EXPECT_FALSE(Active());
  EXPECT_EQ(Says("Suspended"), "");
}

TEST_F(KueueTest, AWriteThatComesSecondIsRepeated) {
  Suspend(true);
  bool first = true;
  api_->SetFaultHook([&first](const kube::Request& request) {
    const bool write = request.verb == kube::Verb::kUpdate && request.type.plural == "workloads";
    return write && std::exchange(first, false) ? kube::Fault::kConflict : kube::Fault::kNone;
  });
  Drain();
  EXPECT_TRUE(Active());
  EXPECT_THAT(EventReasons(), Not(Contains("QueueNotTold")));
  EXPECT_LE(Next(), Seconds(5));
  Next(Seconds(5));
  EXPECT_FALSE(Active());
}

TEST_F(KueueTest, WithoutTheFlagNobodyIsAskedAndItIsSaid) {
  Remake(false);
  Suspend(true);
  Drain();
  Next(Seconds(60));
  EXPECT_TRUE(Active());
  EXPECT_EQ(kueue_.asked + kueue_.written, 0);
  EXPECT_THAT(Says("Suspended"), HasSubstr("--kueue"));
  EXPECT_EQ(std::ranges::count(EventReasons(), "QueueNotTold"), 1);
}

class OldKueueTest : public KueueTest {
 protected:
  void SetUp() override {
    kueue_.served = {"v1beta1"};
    ApplyQueued(Workloads().back());
  }
};

TEST_F(OldKueueTest, IsToldInItsOwnVersion) {
  Suspend(true);
  Drain();
  EXPECT_FALSE(Active());
}

TEST(KueuePermissionsTest, AreAskedForOnlyWithTheFlag) {
  EXPECT_THAT(PermissionRules(), Not(HasSubstr("workloads")));
  EXPECT_THAT(PermissionRules(true),
              HasSubstr(R"("resources":["workloads"],"verbs":["list","update"])"));
}

}  // namespace
}  // namespace pj::op
