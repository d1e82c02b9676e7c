// Whoever finalises and does not get on says so in the Lease `fin`, and the status tells it.
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::HasSubstr;

class FinaliserTroubleTest : public OperatorTest {
 protected:
  // A job that is done but for its end, with a finaliser at work.
  void SetUp() override {
    Apply();
    Settle();
    Plan(10);
    PutShard(Shard(10, 10));
    Turn(Seconds(6));
    Turn(Seconds(61));
    ASSERT_EQ(Get(Jobs(), FinaliserName(View()))["spec"]["parallelism"], 1);
  }
  void PutFin(const std::string& holder, const std::string& reason) {
    kube::Lease lease{.meta = objects_.Meta(objects_.Name("fin")), .holder = holder};
    if (!reason.empty()) {
      lease.meta.annotations[job::kWorkerStateNote] = job::EncodeWorkerState(
          {.trouble_reason = reason, .trouble_message = "s-0.rows is short"});
    }
    Json body = Json::parse(kube::Encode(lease));
    if (made_) {
      body["metadata"]["resourceVersion"] =
          Get(kube::Leases(), lease.meta.name)["metadata"]["resourceVersion"];
      return Put(kube::Leases(), body);
    }
    made_ = true;
    Make(kube::Leases(), body);
  }
  std::string Reason(const std::string& type) { return Condition(type).value("reason", ""); }

  bool made_ = false;  // the Lease
};

TEST_F(FinaliserTroubleTest, ADamagedSegmentStallsTheJobUntilItIsMended) {
  PutFin("uid-9/1", "LedgerCorrupt");
  Turn(Seconds(6));
  EXPECT_EQ(ConditionIs("Stalled"), "True");
  EXPECT_EQ(Reason("Stalled"), "LedgerCorrupt");
  EXPECT_THAT(Condition("Stalled").value("message", ""), HasSubstr("s-0.rows is short"));
  EXPECT_EQ(Status()["state"], "Stalled");
  PutFin("uid-9/1", "");
  Turn(Seconds(6));
  EXPECT_EQ(ConditionIs("Stalled"), "False");
  EXPECT_EQ(Reason("Reconciling"), "Finishing");
}

TEST_F(FinaliserTroubleTest, AFullVolumeIsTheReasonOfWaiting) {
  PutFin("uid-9/1", "NoSpace");
  Turn(Seconds(6));
  EXPECT_EQ(ConditionIs("Stalled"), "False");
  EXPECT_EQ(ConditionIs("Reconciling"), "True");
  EXPECT_EQ(Reason("Reconciling"), "NoSpace");
  PutResult(0, "Complete", "");
  Turn(Seconds(6));
  EXPECT_NE(Reason("Reconciling"), "NoSpace") << "the result tells the end, whatever was before";
}

// Its pod is gone, and the next one has not met the damage yet.
TEST_F(FinaliserTroubleTest, WhoIsSilentSaysNothing) {
  PutFin("uid-9/1", "LedgerCorrupt");
  Turn(Seconds(6));
  Turn(Seconds(8));
  EXPECT_EQ(ConditionIs("Stalled"), "True") << "its Lease has not run out";
  Turn(Seconds(8));
  EXPECT_EQ(ConditionIs("Stalled"), "False");
  EXPECT_EQ(Reason("Reconciling"), "Finishing");
}

TEST_F(FinaliserTroubleTest, WhoHasGivenTheLeaseBackSaysNothing) {
  PutFin("", "LedgerCorrupt");
  Turn(Seconds(6));
  EXPECT_EQ(Reason("Reconciling"), "Finishing");
}

}  // namespace
}  // namespace pj::op
