// Suspend, resume and scale; pods of nodes that are gone.
#include "operator/workers.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using Mode = ledger::Control::Mode;
using testing::Contains;

class ScaleTest : public OperatorTest {
 protected:
  void SetUp() override {
    Apply();
    Settle();
    Plan(100);
    PutPod("p0", Running());
    PutShard(Shard(100, 10));
    Settle();
  }
  void SetSpec(const std::string& key, const Json& value) {
    Change([&](Json& job) { job["spec"][key] = value; });
  }
};

TEST_F(ScaleTest, SuspendingWaitsUntilAllIsReleased) {
  SetSpec("suspend", true);
  Turn(Seconds(6));
  EXPECT_EQ(Control().mode, Mode::kDrain);
  EXPECT_EQ(Job()["spec"]["suspend"], false);
  EXPECT_EQ(Status()["state"], "Suspending");
  ledger::ShardRecord released = Shard(100, 12);
  released.holder = "";
  PutShard(released);
  Turn(Seconds(6));
  EXPECT_EQ(Job()["spec"]["suspend"], true);
  EXPECT_EQ(ConditionIs("Suspended"), "True");
  Turn(Seconds(6));
  EXPECT_THAT(EventReasons(), Contains("Suspended"));
}

TEST_F(ScaleTest, AHangingDrainEndsWithItsGrace) {
  SetSpec("suspend", true);
  EXPECT_LE(Turn(), Seconds(40));
  Turn(Seconds(39));
  EXPECT_EQ(Job()["spec"]["suspend"], false);
  Turn(Seconds(2));
  EXPECT_EQ(Job()["spec"]["suspend"], true);
}

TEST_F(ScaleTest, CancellingAbortsForGood) {
  SetSpec("cancel", true);
  Turn(Seconds(6));
  EXPECT_EQ(Control().mode, Mode::kAbort);
  EXPECT_EQ(policy::FromAbortReason(Control().reason).reason, "Cancelled");
  EXPECT_EQ(Status()["state"], "Failing");
  SetSpec("cancel", false);
  Turn(Seconds(6));
  EXPECT_EQ(Control().mode, Mode::kAbort);
  PutResult(1, "Cancelled", "by spec.cancel");
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Turn(Seconds(6));
  EXPECT_EQ(ConditionIs("Failed"), "True");
}

TEST_F(ScaleTest, CancellingASuspendedJobEndsIt) {
  SetSpec("suspend", true);
  Turn();
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Settle();
  SetSpec("cancel", true);
  Turn(Seconds(6));
  EXPECT_EQ(Control().mode, Mode::kAbort);
  EXPECT_EQ(Job()["spec"]["suspend"], true) << "no pods for a job that ends";
}

TEST_F(ScaleTest, ACancelledJobGetsNoMoreWorkers) {
  SetSpec("cancel", true);
  Turn(Seconds(6));
  SetSpec("instanceCount", 5);
  Turn(Seconds(6));
  EXPECT_EQ(Job()["spec"]["parallelism"], 2);
  SetSpec("instanceCount", 1);
  Turn(Seconds(6));
  EXPECT_EQ(Job()["spec"]["parallelism"], 1);
}

TEST_F(ScaleTest, ResumingRunsAgain) {
  SetSpec("suspend", true);
  Turn();
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Settle();
  ASSERT_EQ(Job()["spec"]["suspend"], true);
  EXPECT_FALSE(Status().contains("startTime")) << "as of a batch Job";
  SetSpec("suspend", false);
  Settle();
  EXPECT_EQ(Control().mode, Mode::kRun);
  EXPECT_EQ(Job()["spec"]["suspend"], false);
  EXPECT_EQ(ConditionIs("Suspended"), "False");
  EXPECT_TRUE(Status().contains("startTime"));
}

TEST_F(ScaleTest, AJobCreatedSuspendedStartsNoPods) {
  Delete(kube::ParallelJobs(), kName);
  Delete(Pods(), "p0");
  Turn();
  Json job = SmallJob();
  job["spec"]["suspend"] = true;
  Apply(job);
  Settle();
  EXPECT_EQ(Job()["spec"]["suspend"], true);
  EXPECT_EQ(Control().mode, Mode::kDrain);
}

TEST_F(ScaleTest, ParallelismAndCompletionsGoTogether) {
  SetSpec("instanceCount", 4);
  Turn();
  EXPECT_EQ(Job()["spec"]["parallelism"], 4);
  EXPECT_EQ(Job()["spec"]["completions"], 4);
  SetSpec("instanceCount", 1);
  Turn();
  EXPECT_EQ(Job()["spec"]["parallelism"], 1);
  EXPECT_EQ(Job()["spec"]["completions"], 1);
}

TEST_F(ScaleTest, NoInstancesLeaveTheCompletions) {
  SetSpec("instanceCount", 0);
  Turn();
  EXPECT_EQ(Job()["spec"]["parallelism"], 0);
  EXPECT_EQ(Job()["spec"]["completions"], 2) << "a Job without completions is over at once";
}

TEST_F(ScaleTest, AQueueOwnsTheScaleOfItsJob) {
  Change([](Json& job) { job["metadata"]["labels"] = {{"kueue.x-k8s.io/queue-name", "q"}}; });
  SetSpec("instanceCount", 4);
  Turn();
  EXPECT_EQ(Job()["spec"]["parallelism"], 2);
}

TEST_F(ScaleTest, TheTickGrowsWithThePods) {
  SetSpec("instanceCount", 2000);
  Turn();
  EXPECT_EQ(Control().tick, Seconds(20));
}

TEST_F(ScaleTest, IdleWorkersAreToldWhereWorkIs) {
  EXPECT_TRUE(Control().hints.empty());
  PutLease(1, "u1", {.environment_ready = true});
  Turn();
  EXPECT_EQ(Control().hints, std::vector<uint64_t>{0});
  ledger::ShardRecord all_taken = Shard(100, 10);
  all_taken.horizon = 100;
  PutShard(all_taken);
  EXPECT_LE(Turn(), Control().tick);
  EXPECT_FALSE(Control().hints.empty()) << "each write wakes every agent: one a tick";
  PutLease(1, "u1", {.environment_ready = true});
  Turn(Control().tick);
  EXPECT_TRUE(Control().hints.empty());
  EXPECT_EQ(Control().retract, std::vector<uint64_t>{0});
}

TEST_F(ScaleTest, ThoseWithTheMostLeftAreAskedToRetreat) {
  for (uint64_t i = 0; i < 12; ++i) {
    ledger::ShardRecord all_taken = Shard(100, 10);
    all_taken.lo = 100 * i;
    all_taken.hi = all_taken.horizon = all_taken.lo + 100;
    all_taken.low_water = all_taken.lo + 90 - 5 * i;
    PutShard(all_taken);
  }
  PutLease(1, "u1", {.environment_ready = true});
  Turn(Control().tick);
  EXPECT_TRUE(Control().hints.empty());
  EXPECT_EQ(Control().retract, (std::vector<uint64_t>{1100, 1000, 900, 800, 700, 600, 500, 400}));
}

TEST_F(ScaleTest, TheFirstMiniBatchOfAHeldShardIsNoHint) {
  ledger::ShardRecord last = Shard(1, 0);
  PutShard(last);
  PutLease(1, "u1", {.environment_ready = true});
  Turn(Control().tick);
  EXPECT_TRUE(Control().hints.empty());
  last.holder.clear();
  PutShard(last);
  PutLease(1, "u1", {.environment_ready = true});
  Turn(Control().tick);
  EXPECT_EQ(Control().hints, std::vector<uint64_t>{0});
}

TEST_F(ScaleTest, AWorkerThatIsGoneIdlesNot) {
  PutLease(1, "u1", {.environment_ready = true});
  Turn();
  ASSERT_EQ(Control().hints, std::vector<uint64_t>{0});
  Turn(Control().tick * 3);
  ledger::ShardRecord all_taken = Shard(100, 10);
  all_taken.horizon = 100;
  PutShard(all_taken);
  const uint64_t before = api_->Writes();
  Turn(Seconds(1));
  EXPECT_TRUE(Control().retract.empty());
  EXPECT_LE(api_->Writes(), before + 1) << "the status at most";
}

class LostTest : public ScaleTest {
 protected:
  void SetUp() override {
    ScaleTest::SetUp();
    Json pod = Get(Pods(), "p0");
    pod["metadata"]["finalizers"] = {"batch.kubernetes.io/job-tracking"};
    Put(Pods(), pod);
    Delete(Pods(), "p0");
    PutLease(0, Get(Pods(), "p0")["metadata"]["uid"], {.environment_ready = true});
    Turn();
  }
  std::string Phase() { return Get(Pods(), "p0")["status"]["phase"]; }
};

TEST_F(LostTest, APodOfALostNodeIsGivenUpAfterItsGrace) {
  EXPECT_LE(Turn(Seconds(29)), Seconds(2));
  EXPECT_EQ(Phase(), "Running");
  Turn(Seconds(2));
  EXPECT_EQ(Phase(), "Failed");
  const Json conditions = Get(Pods(), "p0")["status"]["conditions"];
  EXPECT_EQ(conditions.back()["type"], "DisruptionTarget");
  EXPECT_EQ(conditions.back()["status"], "True");
  EXPECT_THAT(EventReasons(), Contains("WorkerLost"));
}

TEST_F(LostTest, EachLossIsTold) {
  Turn(Seconds(31));
  const std::string uid = Get(Pods(), "p0")["metadata"]["uid"];
  PutPod("p9", Running(), {{"finalizers", {"batch.kubernetes.io/job-tracking"}}});
  Delete(Pods(), "p9");
  Turn(Seconds(1));
  Turn(Seconds(90));
  std::vector<std::string> lost;
  for (const Json& event : List(Events())) {
    if (event["reason"] == "WorkerLost") lost.push_back(event["message"]);
  }
  EXPECT_THAT(lost, testing::UnorderedElementsAre("node node-1 is gone; pod p0 is replaced",
                                                  "node node-1 is gone; pod p9 is replaced"));
}

// Whoever commits does not renew its Lease.
TEST_F(LostTest, ACommitIsASignOfLife) {
  PutLease(0, Get(Pods(), "p0")["metadata"]["uid"], {.environment_ready = true});
  for (uint64_t i = 1; i <= 6; ++i) {
    ledger::ShardRecord shard = Shard(100, 10 + i);
    shard.write_id = {"x", i};
    PutShard(shard);
    Turn(Seconds(10));
    EXPECT_EQ(Phase(), "Running") << i;
  }
  Turn(Seconds(16));
  EXPECT_EQ(Phase(), "Failed");
}

TEST_F(LostTest, ASignOfLifeKeepsIt) {
  Turn(Seconds(29));
  PutLease(0, Get(Pods(), "p0")["metadata"]["uid"], {.environment_ready = true, .started = 1});
  Turn(Seconds(2));
  EXPECT_EQ(Phase(), "Running");
  Turn(Seconds(14));
  EXPECT_EQ(Phase(), "Running") << "three ticks of 5 s are not over";
  Turn(Seconds(2));
  EXPECT_EQ(Phase(), "Failed");
}

TEST_F(ScaleTest, PodsThatOutliveTheResultAreStopped) {
  PutResult(0, "Complete", "done");
  EXPECT_LE(Turn(Seconds(6)), Seconds(60));
  EXPECT_EQ(Job()["spec"]["suspend"], false);
  Turn(Seconds(61));
  EXPECT_EQ(Job()["spec"]["suspend"], true);
}

TEST_F(ScaleTest, AJobOfAQueueIsRemovedInsteadOfSuspended) {
  Change([](Json& job) { job["metadata"]["labels"] = {{"kueue.x-k8s.io/queue-name", "q"}}; });
  PutResult(0, "Complete", "done");
  Turn(Seconds(6));
  const Json before = Job();
  Turn(Seconds(50));
  EXPECT_EQ(Job(), before);
  Turn(Seconds(11));
  EXPECT_EQ(List(Jobs()).size(), 0u);
  Settle();
  EXPECT_EQ(List(Jobs()).size(), 0u) << "with a result, never again";
}

}  // namespace
}  // namespace pj::op
