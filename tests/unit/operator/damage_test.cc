// A job whose ledger cannot be read: it says so, keeps what its status told, and still obeys.
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::HasSubstr;
using Mode = ledger::Control::Mode;

class DamageTest : public OperatorTest {
 protected:
  // A job of ten mini-batches of which four are done.
  void Begin(const Json& spec = Json::object()) {
    Json job = SmallJob();
    job["spec"].update(spec);
    Apply(job);
    Settle();
    Plan(10);
    PutPod("p0", Running());
    PutShard(Shard(10, 4));
    PutLease(0, "u0", {.environment_ready = true, .started = 4});
    Settle();
  }
  void DamageTheShard() {
    Json map = Get(kube::ConfigMaps(), ledger::ShardName(kName, objects_.identity, 0));
    map["binaryData"]["record"] = "AAAA";
    Put(kube::ConfigMaps(), map);
    Settle();
  }
  void SetSpec(const std::string& field, const Json& value) {
    Change([&](Json& job) { job["spec"][field] = value; });
  }
  job::WorkerState Corrupt() {
    return {.trouble_reason = "LedgerCorrupt", .trouble_message = "segment x is short"};
  }
};

TEST_F(DamageTest, TheJobIsStalledAndNamesTheObject) {
  Begin();
  DamageTheShard();
  EXPECT_EQ(Status()["state"], "Stalled");
  EXPECT_EQ(Condition("Stalled")["reason"], "LedgerCorrupt");
  EXPECT_THAT(Condition("Stalled")["message"].get<std::string>(), HasSubstr("-s-0"));
}

TEST_F(DamageTest, WhatTheStatusToldStays) {
  Begin();
  const Json before = Status();
  ASSERT_EQ(before["miniBatches"]["succeeded"], 4);
  DamageTheShard();
  const Json after = Status();
  for (const char* key : {"startTime", "miniBatches", "items", "workers", "selector", "progress"}) {
    EXPECT_EQ(after[key], before[key]) << key;
  }
  EXPECT_EQ(ConditionIs("Planned"), "True");
}

TEST_F(DamageTest, ASpecThatCannotBeUsedKeepsThemToo) {
  Begin();
  const Json before = Status();
  Change([](Json& job) { job["spec"]["task"]["code"] = {{"local", "src"}}; });
  Settle();
  ASSERT_EQ(Condition("Stalled")["reason"], "InvalidSpec");
  const Json after = Status();
  for (const char* key : {"startTime", "miniBatches", "workers", "selector"}) {
    EXPECT_EQ(after[key], before[key]) << key;
  }
}

TEST_F(DamageTest, ItCanStillBeCancelled) {
  Begin();
  DamageTheShard();
  SetSpec("cancel", true);
  Settle();
  EXPECT_EQ(Control().mode, Mode::kAbort);
}

TEST_F(DamageTest, ItCanStillBeSuspended) {
  Begin();
  DamageTheShard();
  SetSpec("suspend", true);
  Turn();
  EXPECT_EQ(Control().mode, Mode::kDrain);
  SetPodStatus("p0", {{"phase", "Succeeded"}});
  Settle();
  EXPECT_EQ(Job()["spec"]["suspend"], true);
  EXPECT_EQ(ConditionIs("Suspended"), "True");
  EXPECT_EQ(ConditionIs("Stalled"), "True");
}

TEST_F(DamageTest, ItStillHasADeadline) {
  Begin({{"activeDeadlineSeconds", 3600}});
  DamageTheShard();
  EXPECT_LE(Turn(), Seconds(3600)) << "nobody else would wake the operator";
  EXPECT_EQ(Control().mode, Mode::kRun);
  Turn(Seconds(3600));
  EXPECT_EQ(Control().mode, Mode::kAbort);
  EXPECT_THAT(Control().reason, HasSubstr("DeadlineExceeded"));
}

TEST_F(DamageTest, NoWorkersAreStartedForIt) {
  Begin();
  DamageTheShard();
  Delete(Jobs(), Job()["metadata"]["name"]);
  Settle();
  EXPECT_EQ(List(Jobs()).size(), 0u);
}

TEST_F(DamageTest, ADamagedControlObjectIsNotMadeAgain) {
  Begin();
  Json map = Get(kube::ConfigMaps(), objects_.Name("ctl"));
  map["binaryData"] = {{"record", "AAAA"}};
  map.erase("data");
  Put(kube::ConfigMaps(), map);
  Settle();
  ASSERT_EQ(Condition("Stalled")["reason"], "LedgerCorrupt");
  int creates = 0;
  api_->SetFaultHook([&](const kube::Request& request) {
    creates += request.verb == kube::Verb::kCreate && request.type == kube::ConfigMaps() ? 1 : 0;
    return kube::Fault::kNone;
  });
  Turn(Seconds(6));
  api_->SetFaultHook({});
  EXPECT_EQ(creates, 0);
}

TEST_F(DamageTest, AWorkerMayBeTheOneThatFindsIt) {
  Begin();
  PutLease(0, "u0", Corrupt());
  Settle();
  EXPECT_EQ(Condition("Stalled")["reason"], "LedgerCorrupt");
  EXPECT_EQ(Condition("Stalled")["message"], "segment x is short");
  PutLease(0, "u0", {.environment_ready = true});
  Settle();
  EXPECT_EQ(ConditionIs("Stalled"), "False");
}

TEST_F(DamageTest, AWorkerThatIsGoneStallsNothing) {
  Begin();
  PutLease(0, "u0", Corrupt());
  Turn();
  for (int i = 0; i < 5; ++i) Turn(Seconds(10));
  EXPECT_EQ(ConditionIs("Stalled"), "False") << "its Lease has not changed for 50 s";
}

}  // namespace
}  // namespace pj::op
