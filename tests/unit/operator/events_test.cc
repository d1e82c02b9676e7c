// What `describe` tells of a job: each reason, once. WorkerLost is in scale_test.cc.
#include "operator/events.h"

#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class EventsTest : public OperatorTest {
 protected:
  std::vector<std::string> Messages(const std::string& reason) {
    std::vector<std::string> out;
    for (const Json& event : List(Events())) {
      if (event["reason"] == reason) out.push_back(event["message"]);
    }
    return out;
  }
  std::string TypeOf(const std::string& reason) {
    for (const Json& event : List(Events())) {
      if (event["reason"] == reason) return event["type"];
    }
    return "";
  }
  void Begin(uint64_t mini_batches, const Json& spec = Json::object()) {
    Json job = SmallJob();
    job["spec"].update(spec);
    Apply(job);
    Settle();
    Plan(mini_batches);
    PutPod("p0", Running());
  }
  // The shard's mini-batches [0, done) are done, and those `failed`.
  void PutFailed(uint64_t mini_batches, uint64_t done, const std::vector<uint64_t>& failed) {
    ledger::ShardRecord shard = Shard(mini_batches, done);
    for (const uint64_t id : failed) shard.failed.Add(id, id + 1);
    shard.counters.mini_batches_failed = failed.size();
    PutShard(shard);
    Settle();
  }
};

TEST_F(EventsTest, AnEventThatDidNotComeThroughIsToldAgain) {
  Begin(10);
  api_->SetFaultHook([](const kube::Request& request) {
    return request.type == Events() ? kube::Fault::kServerError : kube::Fault::kNone;
  });
  Turn(Seconds(6));
  api_->SetFaultHook({});
  ASSERT_TRUE(EventReasons().empty());
  Turn(Seconds(6));
  EXPECT_THAT(EventReasons(), UnorderedElementsAre("Planned"));
}

TEST_F(EventsTest, AGoodLifeIsToldInThreeEventsThatOutliveARestart) {
  Begin(10);
  PutShard(Shard(10, 5));
  Settle();
  PutShard(Shard(10, 10));
  PutResult(0, "Complete", "10 mini-batches done");
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Restart();
  Settle();
  EXPECT_THAT(EventReasons(), UnorderedElementsAre("Planned", "Started", "Complete"));
  EXPECT_EQ(TypeOf("Complete"), "Normal");
  EXPECT_THAT(Messages("Planned"), UnorderedElementsAre("10 mini-batches"));
  for (const Json& event : List(Events())) {
    EXPECT_EQ(event["involvedObject"]["name"], kName);
    EXPECT_EQ(event["involvedObject"]["uid"], objects_.identity.uid);
  }
}

TEST_F(EventsTest, AFailureIsAWarning) {
  Begin(10);
  PutShard(Shard(10, 3));
  PutResult(1, "MiniBatchErrorThreshold", "2 mini-batches failed");
  Settle();
  EXPECT_EQ(TypeOf("Failed"), "Warning");
  EXPECT_THAT(Messages("Failed"), UnorderedElementsAre("2 mini-batches failed"));
  EXPECT_THAT(EventReasons(), Not(Contains("Complete")));
}

TEST_F(EventsTest, EachSuspensionIsToldOnce) {
  Begin(10);
  PutShard(Shard(10, 3));
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  for (int i = 0; i < 2; ++i) {
    Change([](Json& job) { job["spec"]["suspend"] = true; });
    Settle();
    Change([](Json& job) { job["spec"]["suspend"] = false; });
    Settle();
  }
  EXPECT_THAT(Messages("Suspended"), SizeIs(2));
}

TEST_F(EventsTest, FiveFailuresAreToldAndThenTheirNumber) {
  Begin(100, {{"miniBatchErrorThreshold", -1}});
  PutFailed(100, 60, {50});
  PutFailed(100, 70, {7, 50});
  EXPECT_THAT(Messages("MiniBatchFailed"),
              UnorderedElementsAre("mini-batch 50 failed", "mini-batch 7 failed"));
  PutFailed(100, 100, {1, 2, 3, 4, 5, 6, 7, 50});
  EXPECT_THAT(Messages("MiniBatchFailed"), SizeIs(5));
  PutResult(0, "Complete", "done");
  Settle();
  EXPECT_THAT(Messages("MiniBatchFailed"), SizeIs(6));
  EXPECT_THAT(Messages("MiniBatchFailed"), Contains("8 of 100 mini-batches failed in all"));
}

TEST_F(EventsTest, AThresholdThatIsNearIsToldOnce) {
  Begin(100, {{"miniBatchErrorThreshold", 5}});
  PutFailed(100, 50, {1, 2, 3});
  EXPECT_THAT(EventReasons(), Not(Contains("ThresholdNear")));
  PutFailed(100, 50, {1, 2, 3, 4});
  PutFailed(100, 50, {1, 2, 3, 4, 5});
  EXPECT_THAT(Messages("ThresholdNear"),
              UnorderedElementsAre("4 failures, and miniBatchErrorThreshold allows 5"));
}

TEST_F(EventsTest, SoIsAShareOfThePlan) {
  Begin(50, {{"miniBatchErrorThreshold", -1}, {"allowedFailedPercent", 10}});
  PutFailed(50, 20, {1, 2, 3});
  EXPECT_THAT(EventReasons(), Not(Contains("ThresholdNear")));
  PutFailed(50, 20, {1, 2, 3, 4});
  EXPECT_THAT(Messages("ThresholdNear"),
              UnorderedElementsAre("4 failures, and allowedFailedPercent allows 5"));
}

}  // namespace
}  // namespace pj::op
