// The rights of workers: made, and made anew when they are not what workers need.
#include "operator/rights.h"

#include "operator/reconcile.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

class RightsTest : public OperatorTest {
 protected:
  RightsTest() { RestartCounting(); }
  void RestartCounting() {
    reconciler_ = std::make_unique<Reconciler>(
        ReconcilerOptions{.api = &counting_, .reader = reader_.get(), .clock = &clock_});
    counting_.asked = 0;
  }
  Json Only(const kube::ResourceType& type) {
    const Json all = List(type);
    EXPECT_EQ(all.size(), 1u) << type.plural;
    return all.at(0);
  }
  // Somebody takes a right away, and gives them to somebody else.
  void Spoil() {
    Json role = Only(Roles());
    role["rules"][0]["verbs"] = Json::array({"get"});
    Put(Roles(), role);
    Json binding = Only(RoleBindings());
    binding["subjects"][0]["name"] = "somebody-else";
    Put(RoleBindings(), binding);
  }
  void ExpectRight() {
    EXPECT_EQ(Only(Roles())["rules"], role_["rules"]);
    EXPECT_EQ(Only(RoleBindings())["subjects"], binding_["subjects"]);
    EXPECT_EQ(Only(RoleBindings())["roleRef"], binding_["roleRef"]);
    EXPECT_EQ(Only(Roles())["metadata"]["ownerReferences"], role_["metadata"]["ownerReferences"]);
  }
  void Begin() {
    Apply();
    Settle();
    role_ = Only(Roles());
    binding_ = Only(RoleBindings());
  }

  ClosingApi counting_{api_.get(), {&Roles(), &RoleBindings()}};
  Json role_;
  Json binding_;
};

TEST_F(RightsTest, WhatSomebodyEditedIsMadeAnewWhenTheOperatorStarts) {
  Begin();
  EXPECT_EQ(counting_.asked, 2) << "one request each, and none in the turns after";
  Spoil();
  RestartCounting();
  Settle();
  ExpectRight();
}

TEST_F(RightsTest, WhatIsRightIsLookedAtOnceAndLeftAlone) {
  Begin();
  RestartCounting();
  Settle();
  EXPECT_EQ(counting_.asked, 4);
  EXPECT_EQ(Only(Roles())["metadata"]["uid"], role_["metadata"]["uid"]);
  EXPECT_EQ(Only(RoleBindings())["metadata"]["resourceVersion"],
            binding_["metadata"]["resourceVersion"]);
}

// A worker that is refused everything cannot say so: it falls silent.
TEST_F(RightsTest, SilentWorkersAreGivenBackTheirRights) {
  Begin();
  PutPod("p0", Running());
  PutLease(0, Get(Pods(), "p0")["metadata"]["uid"], {.environment_ready = true});
  Settle();
  Spoil();
  Turn(Seconds(16));
  ExpectRight();
}

TEST_F(RightsTest, WithoutTheRightToLookTheJobGoesOn) {
  Begin();
  Spoil();
  counting_.closed = true;
  RestartCounting();
  Settle();
  EXPECT_EQ(Only(Roles())["metadata"]["uid"], role_["metadata"]["uid"]);
  EXPECT_EQ(Condition("Reconciling")["reason"], "Starting");
}

}  // namespace
}  // namespace pj::op
