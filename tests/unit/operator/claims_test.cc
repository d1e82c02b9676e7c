// What the access modes of claims mean for the pods.
#include "operator/claims.h"

#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ClaimsTest : public OperatorTest {
 protected:
  // A job whose rows and work lie on `claim`.
  void ApplyOn(const std::string& claim) {
    Json job = SmallJob();
    job["spec"]["outputs"][0]["volume"]["persistentVolumeClaim"]["claimName"] = claim;
    Apply(job);
  }
  Nanos ClaimTurn(Nanos after = Nanos(0)) {
    clock_.Advance(after);
    const Result<Nanos> next = looking_.Reconcile({kNs, kName});
    EXPECT_TRUE(next) << next.error().ToString();
    return next.value_or(kNever);
  }
  Json PodSpec() { return Job()["spec"]["template"]["spec"]; }

  ClosingApi closed_{api_.get(), {&VolumeClaims()}};
  Reconciler looking_{{.api = &closed_, .reader = reader_.get(), .clock = &clock_}};
};

TEST_F(ClaimsTest, EachClaimOfThePodsIsNamedOnce) {
  Json job = SmallJob();
  job["spec"]["podTemplate"]["volumes"] =
      Json::array({{{"name", "m"}, {"persistentVolumeClaim", {{"claimName", "models"}}}},
                   {{"name", "e"}, {"emptyDir", Json::object()}}});
  Apply(job);
  EXPECT_THAT(ClaimsOf(View()), ElementsAre("models", "shared"));
}

TEST_F(ClaimsTest, PodsOfSharedVolumesMayBeAnywhere) {
  Apply();
  ClaimTurn();
  EXPECT_FALSE(PodSpec().contains("affinity"));
  EXPECT_EQ(ConditionIs("VolumesFit"), "");
  for (int i = 0; i < 10; ++i) ClaimTurn(Seconds(6));
  EXPECT_EQ(closed_.asked, 1) << "once in a process's life";
}

TEST_F(ClaimsTest, AClaimThatManyJobsNameIsAskedForNowAndThen) {
  const auto job_anew = [this] {
    Delete(kube::ParallelJobs(), kName);
    ClaimTurn();
    Apply();
    ClaimTurn();
  };
  Apply();
  ClaimTurn();
  job_anew();
  EXPECT_EQ(closed_.asked, 1);
  clock_.Advance(Seconds(31));
  job_anew();
  EXPECT_EQ(closed_.asked, 2);
}

TEST_F(ClaimsTest, AClaimForOneNodeKeepsThePodsTogether) {
  PutClaim("disk", {"ReadWriteOnce"});
  ApplyOn("disk");
  ClaimTurn();
  const Json terms =
      PodSpec()["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
  ASSERT_EQ(terms.size(), 1u);
  EXPECT_EQ(terms[0]["topologyKey"], "kubernetes.io/hostname");
  const Json wanted = terms[0]["labelSelector"]["matchLabels"];
  const Json labels = Job()["spec"]["template"]["metadata"]["labels"];
  ASSERT_FALSE(wanted.empty());
  for (const auto& [key, value] : wanted.items()) EXPECT_EQ(labels[key], value) << key;
}

TEST_F(ClaimsTest, TheManifestsOwnAffinityStays) {
  PutClaim("disk", {"ReadWriteOncePod"});
  Json job = SmallJob();
  job["spec"]["outputs"][0]["volume"]["persistentVolumeClaim"]["claimName"] = "disk";
  job["spec"]["podTemplate"]["affinity"] = Json::parse(
      R"({"nodeAffinity": {"x": 1}, "podAffinity": {
          "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}})");
  Apply(job);
  ClaimTurn();
  const Json affinity = PodSpec()["affinity"];
  EXPECT_EQ(affinity["nodeAffinity"]["x"], 1);
  EXPECT_EQ(affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].size(), 2u);
}

TEST_F(ClaimsTest, AClaimThatSeveralNodesMayWriteToo) {
  PutClaim("both", {"ReadWriteOnce", "ReadWriteMany"});
  ApplyOn("both");
  ClaimTurn();
  EXPECT_FALSE(PodSpec().contains("affinity"));
}

// ReadWriteOncePod: the other instances stay Pending, and somebody has to say why.
TEST_F(ClaimsTest, AClaimForOnePodFitsOneInstance) {
  PutClaim("disk", {"ReadWriteOncePod"});
  ApplyOn("disk");
  ClaimTurn();
  EXPECT_EQ(ConditionIs("VolumesFit"), "False");
  EXPECT_EQ(Condition("VolumesFit")["reason"], "ClaimForOnePod");
  EXPECT_THAT(Condition("VolumesFit").value("message", ""), HasSubstr("disk is ReadWriteOncePod"));
  EXPECT_THAT(Condition("VolumesFit").value("message", ""), HasSubstr("instanceCount to 1"));
  Change([](Json& job) { job["spec"]["instanceCount"] = 1; });
  ClaimTurn(Seconds(6));
  EXPECT_EQ(ConditionIs("VolumesFit"), "");
  Change([](Json& job) { job["spec"]["instanceCount"] = 3; });
  ClaimTurn(Seconds(6));
  EXPECT_THAT(Condition("VolumesFit").value("message", ""), HasSubstr("of 3 instances"));
}

TEST_F(ClaimsTest, AMissingClaimIsWaitedFor) {
  ApplyOn("late");
  EXPECT_LE(ClaimTurn(), Seconds(5));
  EXPECT_EQ(List(Jobs()).size(), 0u);
  EXPECT_EQ(Condition("VolumesFit")["reason"], "ClaimNotFound");
  EXPECT_EQ(Condition("Reconciling")["reason"], "ClaimNotFound");
  EXPECT_THAT(Condition("VolumesFit").value("message", ""), HasSubstr("late"));
  PutClaim("late", {"ReadWriteOnce"});
  ClaimTurn(Seconds(6));
  EXPECT_TRUE(PodSpec().contains("affinity"));
  EXPECT_EQ(ConditionIs("VolumesFit"), "");
  EXPECT_EQ(Condition("Reconciling")["reason"], "Starting");
}

TEST_F(ClaimsTest, WithoutTheRightToLookItSaysSoAndGoesOn) {
  closed_.closed = true;
  Apply();
  ClaimTurn();
  EXPECT_FALSE(PodSpec().contains("affinity"));
  EXPECT_EQ(ConditionIs("VolumesFit"), "False");
  EXPECT_EQ(Condition("VolumesFit")["reason"], "ClaimUnreadable");
  EXPECT_THAT(Condition("VolumesFit").value("message", ""), HasSubstr("persistentvolumeclaims"));
}

}  // namespace
}  // namespace pj::op
