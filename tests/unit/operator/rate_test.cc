// How long a job runs, how fast, and what that leaves.
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

class RateTest : public OperatorTest {
 protected:
  void SetUp() override {
    Apply();
    Settle();
    Publish(
        job::EncodePlan(objects_, {.hash = "h",
                                   .mini_batches = 100,
                                   .roots = 1,
                                   .items = 100,
                                   .started_wall_ns = clock_.Wall().time_since_epoch().count()}));
    PutPod("p0", Running());
    Turn();
  }
  void Commit(uint64_t done, Nanos after) {
    clock_.Advance(after);
    PutShard(Shard(100, done));
    Turn();
  }
  std::string Word(const char* key) { return Status().value(key, ""); }
  void Suspend(bool suspend) {
    Change([&](Json& job) { job["spec"]["suspend"] = suspend; });
    SetPodStatus("p0", suspend ? Json{{"phase", "Succeeded"}} : Running());
    Settle();
  }
};

TEST_F(RateTest, NothingIsSaidBeforeThereAreSecondsAndACommit) {
  EXPECT_EQ(Word("rate"), "");
  Commit(20, Seconds(1));
  EXPECT_EQ(Word("rate") + Word("eta"), "") << "20/s would be a guess";
  Commit(40, Seconds(9));
  EXPECT_EQ(Word("rate"), "4/s");
  EXPECT_EQ(Word("eta"), "15s");
  Commit(100, Seconds(10));
  EXPECT_EQ(Word("eta"), "") << "nothing is left";
}

TEST_F(RateTest, WhatWasDoneBeforeIsNoPartOfTheRate) {
  Commit(40, Seconds(10));
  Suspend(true);
  EXPECT_EQ(Word("rate") + Word("eta"), "");
  Suspend(false);
  Commit(41, Seconds(1));
  const std::string early = Word("rate");
  EXPECT_TRUE(early.empty() || early.starts_with("0.")) << early;
  Commit(60, Seconds(100));
  EXPECT_TRUE(Word("rate").starts_with("0.1")) << Word("rate");
}

TEST_F(RateTest, ANewProcessCountsFromItsFirstLook) {
  Commit(40, Seconds(10));
  Restart();
  Commit(42, Seconds(10));
  EXPECT_EQ(Word("rate"), "");
  Commit(62, Seconds(10));
  EXPECT_EQ(Word("rate"), "2/s");
}

TEST_F(RateTest, TheDurationIsThatSinceTheFirstStartAndInTheEndTheResults) {
  Commit(40, Seconds(20));
  EXPECT_EQ(Word("duration"), "20s");
  Suspend(true);
  Suspend(false);
  Commit(41, Seconds(300));
  EXPECT_TRUE(Word("duration").starts_with("5m") || Word("duration").starts_with("6m"))
      << Word("duration");
  job::StoredResult result{.exit_code = 1};
  result.summary_json = R"({"reason": "Failed", "message": "", "durationSeconds": 387.6})";
  Publish(job::EncodeResult(objects_, result));
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Settle();
  EXPECT_EQ(Word("state"), "Failed");
  EXPECT_EQ(Word("duration"), "6m27s");
}

}  // namespace
}  // namespace pj::op
