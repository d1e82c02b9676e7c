// What an operator does whose caches are behind: another one was quicker, or a watch is slow.
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

// Shows the world as a test makes it out to be.
class ChangedReader : public WorldReader {
 public:
  explicit ChangedReader(kube::Api* api) : reader_(api) {}
  Result<std::optional<JobWorld>> Read(const JobKey& key) override {
    if (frozen) return frozen;
    Result<std::optional<JobWorld>> world = reader_.Read(key);
    if (world && *world && change) change(&**world);
    return world;
  }
  Result<std::vector<WorkerPodView>> Leftovers(const JobKey& key, const std::string& run) override {
    return reader_.Leftovers(key, run);
  }

  std::function<void(JobWorld*)> change;
  std::optional<JobWorld> frozen;

 private:
  ApiReader reader_;
};

class StaleTest : public OperatorTest {
 protected:
  StaleTest()
      : changed_(api_.get()),
        stale_(ReconcilerOptions{.api = api_.get(), .reader = &changed_, .clock = &clock_}) {}

  Result<Nanos> StaleTurn(Nanos after = Seconds(6)) {
    clock_.Advance(after);
    return stale_.Reconcile({kNs, kName});
  }
  void EndTheJob(int generation = 0) {
    Json job = Job(generation);
    job["status"]["conditions"] = Json::array({{{"type", "Complete"}, {"status", "True"}}});
    Put(Jobs(), job, true);
  }

  ChangedReader changed_;
  Reconciler stale_;
};

TEST_F(StaleTest, AJobThatIsOverIsNotMadeAgainWhenTheServerHasAResult) {
  Apply();
  Settle();
  Plan(10);
  PutResult(0, "Complete", "all done");
  EndTheJob();
  changed_.change = [](JobWorld* world) { world->result.reset(); };
  EXPECT_TRUE(StaleTurn());
  EXPECT_EQ(List(Jobs()).size(), 1u);
}

// The turn that makes the control object is not always a job's first: somebody has deleted it.
TEST_F(StaleTest, ANewControlObjectDoesNotMeanThatNothingWasThere) {
  Apply();
  Settle();
  Plan(10);
  PutResult(0, "Complete", "all done");
  EndTheJob();
  Delete(kube::ConfigMaps(), objects_.Name("ctl"));
  changed_.change = [](JobWorld* world) { world->result.reset(); };
  EXPECT_TRUE(StaleTurn());
  EXPECT_EQ(Control().mode, ledger::Control::Mode::kRun) << "made again in this turn";
  EXPECT_EQ(List(Jobs()).size(), 1u);
}

TEST_F(StaleTest, AJobThatIsOverIsMadeAgainWithoutAResult) {
  Apply();
  Settle();
  Plan(10);
  EndTheJob();
  Settle();
  EXPECT_EQ(List(Jobs()).size(), 2u);
}

TEST_F(StaleTest, AScaleIsNotWrittenOverANewerOne) {
  Apply();
  Settle();
  Change([](Json& job) { job["spec"]["instanceCount"] = 3; });
  changed_.frozen = *ApiReader(api_.get()).Read({kNs, kName});  // decides on 3, and hangs
  Change([](Json& job) { job["spec"]["instanceCount"] = 1; });
  Settle();
  EXPECT_EQ(Job()["spec"]["parallelism"], 1);
  const Result<Nanos> late = StaleTurn();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kConflict);
  EXPECT_EQ(Job()["spec"]["parallelism"], 1);
}

// The watch of pods was silent when the end was written.
TEST_F(StaleTest, PodsThatShowUpAfterTheEndAreStopped) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  changed_.change = [](JobWorld* world) { world->pods.clear(); };
  PutResult(0, "Complete", "all done");
  EXPECT_TRUE(StaleTurn());
  ASSERT_EQ(ConditionIs("Complete"), "True");
  EXPECT_EQ(Job()["spec"]["suspend"], false);
  changed_.change = {};
  EXPECT_TRUE(StaleTurn());
  EXPECT_TRUE(StaleTurn(Seconds(61)));
  EXPECT_EQ(Job()["spec"]["suspend"], true);
}

TEST_F(StaleTest, TheStatusNeverCountsLessThanBefore) {
  Apply();
  Settle();
  Plan(100);
  PutShard(Shard(100, 40));
  Settle();
  EXPECT_EQ(Status()["miniBatches"]["succeeded"], 40);
  changed_.change = [this](JobWorld* world) { world->shards = {Shard(100, 25)}; };
  EXPECT_TRUE(StaleTurn());
  EXPECT_EQ(Status()["miniBatches"]["succeeded"], 40);
  EXPECT_EQ(Status()["miniBatches"]["left"], 60);
  EXPECT_EQ(Status()["progress"], "40%");
  changed_.change = [](JobWorld* world) {
    world->plan.reset();
    world->shards.clear();
  };
  EXPECT_TRUE(StaleTurn());
  EXPECT_EQ(Status()["miniBatches"]["succeeded"], 40);
  changed_.change = [this](JobWorld* world) { world->shards = {Shard(100, 70)}; };
  EXPECT_TRUE(StaleTurn());
  EXPECT_EQ(Status()["miniBatches"]["succeeded"], 70);
}

}  // namespace
}  // namespace pj::op
