// What the API server refuses stands in the status, and hinders nothing else.
#include "operator/reconcile.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

// Answers what creates one kind as an admission webhook, a quota or the schema would.
class RefusingApi : public kube::Api {
 public:
  RefusingApi(kube::Api* api, const kube::ResourceType& type, int code)
      : api_(api), type_(type), code_(code) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    if (!refusing || request.verb != kube::Verb::kCreate || request.type.plural != type_.plural) {
      return api_->Do(request);
    }
    return kube::Response{.code = code_, .reason = "Refused", .message = "exceeded quota: tiny"};
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }
  bool refusing = true;

 private:
  kube::Api* api_;
  const kube::ResourceType& type_;
  const int code_;
};

class RefusalTest : public OperatorTest {};

TEST_F(RefusalTest, WhatTheServerRefusesStandsInTheStatusUntilItIsAllowed) {
  for (const int code : {403, 422}) {
    for (const kube::ResourceType* type : {&Jobs(), &Roles(), &kube::ConfigMaps()}) {
      Apply();
      RefusingApi api(api_.get(), *type, code);
      Reconciler reconciler({.api = &api, .reader = reader_.get(), .clock = &clock_});
      EXPECT_FALSE(reconciler.Reconcile({kNs, kName}));  // so that it is tried again
      const Json condition = Condition("Reconciling");
      EXPECT_EQ(condition["status"], "True");
      EXPECT_EQ(condition["reason"], "Refused");
      EXPECT_THAT(condition["message"], testing::HasSubstr("exceeded quota: tiny"));
      EXPECT_THAT(condition["message"], testing::HasSubstr(type->plural));
      api.refusing = false;
      clock_.Advance(Seconds(6));
      EXPECT_TRUE(reconciler.Reconcile({kNs, kName}));
      EXPECT_EQ(Condition("Reconciling")["reason"], "Starting");
      Delete(kube::ParallelJobs(), kName);
      Turn();
    }
  }
}

// The pods cannot come, but what a person asks for meanwhile is done.
TEST_F(RefusalTest, ARefusedRightKeepsNoJobFromItsEnd) {
  for (const kube::ResourceType* type : {&ServiceAccounts(), &Roles(), &Jobs()}) {
    Apply();
    RefusingApi api(api_.get(), *type, 403);
    Reconciler reconciler({.api = &api, .reader = reader_.get(), .clock = &clock_});
    EXPECT_FALSE(reconciler.Reconcile({kNs, kName}));
    Change([](Json& job) { job["spec"]["cancel"] = true; });
    for (int i = 0; i < 5 && Status()["state"] != "Failed"; ++i) {
      clock_.Advance(Seconds(6));
      (void)reconciler.Reconcile({kNs, kName});
    }
    EXPECT_EQ(Status()["state"], "Failed") << type->plural;
    EXPECT_EQ(Condition("Failed")["reason"], "Cancelled") << type->plural;
    Delete(kube::ParallelJobs(), kName);
    Turn();
  }
}

// A full quota refuses an account even if it is there: what an operator meets that starts again.
TEST_F(RefusalTest, ARefusedAccountOfARunningJobIsNoReasonNotToSuspendIt) {
  Apply();
  Settle();
  RefusingApi api(api_.get(), ServiceAccounts(), 403);
  Reconciler reconciler({.api = &api, .reader = reader_.get(), .clock = &clock_});
  Change([](Json& job) { job["spec"]["instanceCount"] = 3; });
  EXPECT_FALSE(reconciler.Reconcile({kNs, kName}));
  EXPECT_EQ(Job()["spec"]["parallelism"], 3);
  Change([](Json& job) { job["spec"]["suspend"] = true; });
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(Seconds(6));
    EXPECT_FALSE(reconciler.Reconcile({kNs, kName}));
  }
  EXPECT_EQ(Job()["spec"]["suspend"], true);
  EXPECT_EQ(Condition("Reconciling")["reason"], "Refused");
}

}  // namespace
}  // namespace pj::op
