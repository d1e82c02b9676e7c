// One job's life as the operator sees it.
#include "operator/reconcile.h"

#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using Mode = ledger::Control::Mode;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class ReconcileTest : public OperatorTest {
 protected:
  void ApplyAndComplete() {
    Apply();
    Settle();
    Plan(10);
    PutShard(Shard(10, 10));
    PutResult(0, "Complete", "done");
    Settle();
  }
};

TEST_F(ReconcileTest, AFirstTurnMakesEverythingThatPodsNeed) {
  Apply();
  Turn();
  EXPECT_EQ(Control().mode, Mode::kRun);
  EXPECT_EQ(Control().tick, Seconds(5));
  EXPECT_EQ(Job()["spec"]["parallelism"], 2);
  EXPECT_EQ(List(ServiceAccounts()).size(), 1u);
  EXPECT_EQ(List(Roles()).size(), 1u);
  EXPECT_EQ(List(RoleBindings()).size(), 1u);
  EXPECT_EQ(Get(kube::ConfigMaps(), objects_.Name("job"))["immutable"], true);
  EXPECT_EQ(Status()["state"], "Pending");
  EXPECT_EQ(Status()["observedGeneration"], 1);
  EXPECT_EQ(ConditionIs("Reconciling"), "True");
  EXPECT_EQ(ConditionIs("Complete"), "");
}

// In a burst of new jobs.
TEST_F(ReconcileTest, AHurriedFirstTurnMakesTheJobAndTheNextOneTheRest) {
  EXPECT_FALSE(reconciler_->Knows({kNs, kName}));
  Apply();
  EXPECT_EQ(reconciler_->Reconcile({kNs, kName}, true).value(), Nanos(0)) << "at once again";
  EXPECT_TRUE(reconciler_->Knows({kNs, kName}));
  EXPECT_EQ(Job()["spec"]["parallelism"], 2);
  EXPECT_EQ(List(ServiceAccounts()).size(), 1u);
  EXPECT_EQ(List(Roles()).size(), 0u);
  EXPECT_EQ(List(kube::ConfigMaps()).size(), 1u);
  EXPECT_FALSE(Get(kube::ParallelJobs(), kName).contains("status"));
  reconciler_->Reconcile({kNs, kName}, true).value();  // there is a Job: nothing is left out
  EXPECT_EQ(List(RoleBindings()).size(), 1u);
  EXPECT_EQ(Get(kube::ConfigMaps(), objects_.Name("job"))["immutable"], true);
  EXPECT_EQ(Status()["state"], "Pending");
}

TEST_F(ReconcileTest, AnUnchangedWorldGetsNoWrite) {
  Apply();
  Settle();
  const uint64_t before = api_->Writes();
  for (int i = 0; i < 100; ++i) Turn(Seconds(30));
  EXPECT_EQ(api_->Writes(), before);
  Restart();
  Turn();
  EXPECT_EQ(api_->Writes(), before);
}

TEST_F(ReconcileTest, AllChildrenGoWithTheJob) {
  Apply();
  Settle();
  Delete(kube::ParallelJobs(), kName);
  EXPECT_EQ(Turn(), kNever);
  for (const auto& type :
       {kube::ConfigMaps(), Jobs(), ServiceAccounts(), Roles(), RoleBindings()}) {
    EXPECT_EQ(List(type).size(), 0u) << type.plural;
  }
}

TEST_F(ReconcileTest, TheSameNameAgainIsAnotherJob) {
  Apply();
  Settle();
  const std::string first = Job()["metadata"]["name"];
  Delete(kube::ParallelJobs(), kName);
  Apply();
  Turn();
  EXPECT_NE(Job()["metadata"]["name"], first);
  EXPECT_EQ(List(Jobs()).size(), 1u);
  EXPECT_EQ(Control().mode, Mode::kRun);
}

TEST_F(ReconcileTest, ProgressStandsInTheStatus) {
  Apply();
  Settle();
  Plan(100);
  PutPod("p0", Running());
  PutShard(Shard(100, 40));
  Settle();
  EXPECT_EQ(Status()["state"], "Running");
  EXPECT_EQ(Status()["progress"], "40%");
  EXPECT_EQ(Status()["miniBatches"]["succeeded"], 40);
  EXPECT_EQ(Status()["workers"]["summary"], "1/2");
  EXPECT_EQ(ConditionIs("Planned"), "True");
  EXPECT_THAT(EventReasons(), Contains("Planned"));
  EXPECT_THAT(EventReasons(), Contains("Started"));
}

TEST_F(ReconcileTest, TheStatusIsWrittenAtMostOnceInFiveSeconds) {
  Apply();
  Turn();
  Plan(100);
  PutShard(Shard(100, 1));
  const Json before = Status();
  const Nanos next = Turn(Seconds(1));
  EXPECT_EQ(Status(), before);
  EXPECT_LE(next, Seconds(4));
  Turn(Seconds(4));
  EXPECT_EQ(Status()["progress"], "1%");
}

TEST_F(ReconcileTest, SuccessIsToldInTwoSteps) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  PutShard(Shard(10, 10));
  Settle();
  EXPECT_EQ(ConditionIs("SuccessCriteriaMet"), "True");
  EXPECT_EQ(ConditionIs("Complete"), "");
  PutResult(0, "Complete", "10 mini-batches done");
  Settle();
  EXPECT_EQ(Status()["state"], "Completing") << "a pod still runs";
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Settle();
  EXPECT_EQ(Status()["state"], "Complete");
  EXPECT_EQ(ConditionIs("Complete"), "True");
  EXPECT_EQ(ConditionIs("Reconciling"), "False");
  EXPECT_EQ(ConditionIs("Stalled"), "False");
  EXPECT_TRUE(Status().contains("completionTime"));
  EXPECT_EQ(Status()["outputs"]["rows"], "/paralleljob/outputs/rows/rows.csv");
  EXPECT_THAT(EventReasons(), Contains("Complete"));
}

TEST_F(ReconcileTest, AJobThatHadEndedIsCountedAfterARestart) {
  Apply();
  Settle();
  Plan(10);
  PutShard(Shard(10, 10));
  PutResult(0, "Complete", "10 mini-batches done");
  Settle();
  ASSERT_EQ(Status()["state"], "Complete");
  const JobStanding before = reconciler_->Standing().at({kNs, kName});
  Restart();
  Turn();
  const JobStanding after = reconciler_->Standing().at({kNs, kName});
  EXPECT_EQ(after.state, "Complete");
  EXPECT_EQ(after.mini_batches_done, 10u);
  EXPECT_EQ(after.mini_batches_done, before.mini_batches_done);
  EXPECT_EQ(after.mini_batches_failed, before.mini_batches_failed);
}

TEST_F(ReconcileTest, NothingIsWrittenAfterTheEnd) {
  ApplyAndComplete();
  ASSERT_EQ(ConditionIs("Complete"), "True");
  const uint64_t before = api_->Writes();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Turn(Seconds(60)), kNever);
  Restart();
  EXPECT_EQ(Turn(), kNever);
  EXPECT_EQ(api_->Writes(), before);
}

// kstatus, Argo CD and Flux wait until a change of the spec has been seen.
TEST_F(ReconcileTest, AChangeOfAFinishedJobIsSeenAndNoMore) {
  ApplyAndComplete();
  Json before = Status();
  ASSERT_EQ(before["observedGeneration"], 1);
  Change([](Json& job) { job["spec"]["instanceCount"] = 5; });
  Turn(Seconds(6));
  Json after = Status();
  EXPECT_EQ(after["observedGeneration"], 2);
  after["observedGeneration"] = 1;
  EXPECT_EQ(after, before);
  const uint64_t writes = api_->Writes();
  for (int i = 0; i < 10; ++i) Turn(Seconds(60));
  EXPECT_EQ(api_->Writes(), writes);
}

TEST_F(ReconcileTest, AnExceededThresholdAbortsAndIsFoundAgain) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  ledger::ShardRecord shard = Shard(10, 4);
  shard.failed.Add(0, 2);
  shard.counters.mini_batches_failed = 2;
  PutShard(shard);
  Turn(Seconds(6));
  EXPECT_EQ(Control().mode, Mode::kAbort);
  EXPECT_THAT(Control().reason, HasSubstr("MiniBatchErrorThresholdExceeded"));
  EXPECT_EQ(ConditionIs("FailureTarget"), "True");
  EXPECT_EQ(ConditionIs("Failed"), "");
  EXPECT_THAT(EventReasons(), Contains("MiniBatchFailed"));
  Restart();
  Settle();
  EXPECT_EQ(Control().mode, Mode::kAbort);
  PutResult(1, "MiniBatchErrorThresholdExceeded", "2 mini-batches failed");
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Settle();
  EXPECT_EQ(Status()["state"], "Failed");
  EXPECT_EQ(Condition("Failed")["reason"], "MiniBatchErrorThresholdExceeded");
  EXPECT_EQ(ConditionIs("Stalled"), "True") << "so that kstatus waiters fail at once";
}

TEST_F(ReconcileTest, SlotsThatAllWorkersLostFailTheJob) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  const job::WorkerState lost{.lost_reason = "InitFailed", .lost_message = "ValueError: no"};
  PutLease(0, "u0", lost);
  PutLease(1, "u1", {.environment_ready = true});
  Settle();
  EXPECT_EQ(Control().mode, Mode::kRun) << "the other one can still work";
  PutLease(1, "u1", lost);
  Settle();
  EXPECT_EQ(Control().mode, Mode::kAbort);
  EXPECT_EQ(Condition("FailureTarget")["reason"], "InitFailed");
  EXPECT_THAT(Condition("FailureTarget")["message"].get<std::string>(), HasSubstr("ValueError"));
}

TEST_F(ReconcileTest, AFinaliserStartsWhenNoAgentIsLeftToPublish) {
  Apply();
  Settle();
  Plan(10);
  PutShard(Shard(10, 10));
  Turn(Seconds(6));
  EXPECT_EQ(List(Jobs()).size(), 1u);
  EXPECT_LE(Turn(Seconds(1)), Seconds(60));
  Turn(Seconds(61));
  const Json finaliser = Get(Jobs(), FinaliserName(View()));
  EXPECT_EQ(finaliser["spec"]["parallelism"], 1);
  EXPECT_EQ(finaliser["spec"]["template"]["spec"]["containers"].size(), 1u);
  EXPECT_FALSE(finaliser["spec"]["template"]["spec"].contains("initContainers"));
}

TEST_F(ReconcileTest, AJobOverWithoutAResultIsStartedAgain) {
  Apply();
  Settle();
  Plan(10);
  PutShard(Shard(10, 3));
  Json job = Job();
  job["status"]["conditions"] = {{{"type", "Complete"}, {"status", "True"}}};
  Put(Jobs(), job, true);
  Settle();
  EXPECT_EQ(Job(1)["spec"]["parallelism"], 2);
  EXPECT_EQ(List(Jobs()).size(), 2u);
}

TEST_F(ReconcileTest, ADeletedJobIsMadeAgain) {
  Apply();
  Settle();
  Delete(Jobs(), Job()["metadata"]["name"]);
  Settle();
  EXPECT_EQ(Job()["spec"]["parallelism"], 2);
}

TEST_F(ReconcileTest, OthersMayManageAJob) {
  Json job = SmallJob();
  job["spec"]["managedBy"] = "kueue.x-k8s.io/multikueue";
  Apply(job);
  const uint64_t before = api_->Writes();
  EXPECT_EQ(Turn(), kNever);
  EXPECT_EQ(api_->Writes(), before);
}

TEST_F(ReconcileTest, AJobThatCannotRunIsStalledWithItsReason) {
  Json job = SmallJob();
  job["spec"]["task"]["code"] = {{"local", "src"}};
  Apply(job);
  Settle();
  EXPECT_EQ(ConditionIs("Stalled"), "True");
  EXPECT_EQ(Condition("Stalled")["reason"], "InvalidSpec");
  EXPECT_THAT(Condition("Stalled")["message"].get<std::string>(), HasSubstr("paralleljob submit"));
  EXPECT_EQ(List(Jobs()).size(), 0u);
  EXPECT_EQ(List(kube::ConfigMaps()).size(), 0u);
}

TEST_F(ReconcileTest, APodThatFailsForGoodIsNamed) {
  Apply();
  Settle();
  PutPod("p0", Json::parse(R"({"phase": "Pending", "initContainerStatuses": [
      {"name": "user", "image": "nope:1",
       "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}]})"));
  Settle();
  EXPECT_EQ(Condition("Reconciling")["reason"], "ImagePullBackOff");
  EXPECT_EQ(Condition("Reconciling")["message"], "pod p0: container user, image nope:1: not found");
  SetPodStatus("p0", Json::parse(R"({"phase": "Pending", "conditions": [
      {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
       "message": "0/2 nodes are available"}]})"));
  Settle();
  EXPECT_EQ(Condition("Reconciling")["reason"], "Unschedulable");
  EXPECT_THAT(Condition("Reconciling")["message"].get<std::string>(), HasSubstr("0/2 nodes"));
}

TEST_F(ReconcileTest, TheTimeToLiveRemovesChildrenButNotTheJob) {
  Json job = SmallJob();
  job["spec"]["ttlSecondsAfterFinished"] = 100;
  Apply(job);
  Settle();
  Plan(10);
  PutShard(Shard(10, 10));
  PutResult(0, "Complete", "done");
  Turn(Seconds(6));
  ASSERT_EQ(ConditionIs("Complete"), "True");
  EXPECT_LE(Turn(Seconds(1)), Seconds(100));
  EXPECT_EQ(List(Jobs()).size(), 1u);
  Turn(Seconds(101));
  for (const auto& type :
       {kube::ConfigMaps(), Jobs(), ServiceAccounts(), Roles(), RoleBindings()}) {
    EXPECT_EQ(List(type).size(), 0u) << type.plural;
  }
  const uint64_t before = api_->Writes();
  Turn(Seconds(100));
  EXPECT_EQ(api_->Writes(), before);
  EXPECT_EQ(ConditionIs("Complete"), "True");
}

TEST_F(ReconcileTest, ATimeToLiveThatIsCutShortLeavesNothingBehind) {
  Json job = SmallJob();
  job["spec"]["ttlSecondsAfterFinished"] = 100;
  for (int n = 0;; ++n) {
    int seen = 0;
    Apply(job);
    Settle();
    PutResult(0, "Complete", "done");
    Turn(Seconds(6));
    clock_.Advance(Seconds(101));
    api_->SetFaultHook([&](const kube::Request&) {
      return seen++ == n ? kube::Fault::kServerError : kube::Fault::kNone;
    });
    static_cast<void>(reconciler_->Reconcile({kNs, kName}));
    api_->SetFaultHook({});
    Restart();
    Turn();
    for (const auto& type :
         {kube::ConfigMaps(), Jobs(), ServiceAccounts(), Roles(), RoleBindings()}) {
      EXPECT_EQ(List(type).size(), 0u) << type.plural << " after fault " << n;
    }
    Delete(kube::ParallelJobs(), kName);
    Turn();
    if (seen <= n) break;
  }
}

// Whatever single request fails or gets lost, a later turn makes it good, and once only.
// Their own Leases are what silence is heard by: a Role that is gone takes their voice.
TEST_F(ReconcileTest, ADeletedRightIsGivenAgainWhenWorkersFallSilent) {
  Apply();
  Settle();
  PutPod("p0", Running());
  const std::string uid = Get(Pods(), "p0")["metadata"]["uid"];
  PutLease(0, uid, {.environment_ready = true});
  Settle();
  for (const kube::ResourceType* type : {&ServiceAccounts(), &Roles(), &RoleBindings()}) {
    const Json all = List(*type);
    ASSERT_EQ(all.size(), 1u);
    PutLease(0, uid, {.environment_ready = true});
    Delete(*type, all[0]["metadata"]["name"]);
    Turn(Seconds(10));
    EXPECT_EQ(List(*type).size(), 0u) << "a worker that speaks needs nothing";
    const Nanos next = Turn();
    EXPECT_LE(next, Seconds(15)) << "nobody else would wake the operator";
    Turn(Seconds(16));
    EXPECT_EQ(List(*type).size(), 1u) << type->plural;
  }
}

// The server's word instead of a back-off of our own.
TEST_F(ReconcileTest, ABusyServerIsAskedAgainWhenItSays) {
  for (const kube::ResourceType* type : {&Roles(), &kube::ConfigMaps(), &Jobs()}) {
    Apply();
    Restart();
    api_->SetFaultHook([type](const kube::Request& request) {
      const bool busy = request.verb == kube::Verb::kCreate && request.type == *type;
      return busy ? kube::Fault::kTooMany : kube::Fault::kNone;
    });
    EXPECT_EQ(Turn(), Seconds(1)) << type->plural;
    api_->SetFaultHook([type](const kube::Request& request) {
      const bool broken = request.verb == kube::Verb::kCreate && request.type == *type;
      return broken ? kube::Fault::kServerError : kube::Fault::kNone;
    });
    EXPECT_FALSE(reconciler_->Reconcile({kNs, kName})) << type->plural;
    api_->SetFaultHook({});
    Settle();
    EXPECT_EQ(List(Jobs()).size(), 1u);
    Delete(kube::ParallelJobs(), kName);
    Turn();
  }
}

TEST_F(ReconcileTest, EveryRequestMayFailOnce) {
  for (const auto fault : {kube::Fault::kLoseRequest, kube::Fault::kLoseResponse,
                           kube::Fault::kServerError, kube::Fault::kConflict}) {
    for (int n = 0;; ++n) {
      int seen = 0;
      Apply();
      Restart();
      api_->SetFaultHook(
          [&](const kube::Request&) { return seen++ == n ? fault : kube::Fault::kNone; });
      static_cast<void>(reconciler_->Reconcile({kNs, kName}));  // may fail: that is the point
      const bool reached = seen > n;
      api_->SetFaultHook({});
      Settle();
      EXPECT_EQ(List(Jobs()).size(), 1u);
      EXPECT_EQ(List(Roles()).size(), 1u);
      EXPECT_EQ(List(kube::ConfigMaps()).size(), 2u);
      EXPECT_EQ(Status()["state"], "Pending");
      Delete(kube::ParallelJobs(), kName);
      Turn();
      if (!reached) break;
      ASSERT_LT(n, 100);
    }
  }
}

}  // namespace
}  // namespace pj::op
