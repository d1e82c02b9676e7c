#include "cli/run_state.h"

#include <gmock/gmock.h>

#include "api/load.h"
#include "base/json.h"
#include "cli/run_identity.h"
#include "kube/memory_api.h"
#include "worker/schema_gate.h"
#include "worker/store.h"

namespace pj::cli {
namespace {

api::ParallelJob SmallJob() {
  api::ParallelJob job;
  job.name = "small";
  job.labels["team"] = "blue";
  job.spec.inputs = {{.name = "data", .path = "data"}};
  job.spec.input_data = {"data"};
  job.spec.instance_count.Set(3);
  job.spec.task.code.source = api::Code::Source::kLocal;
  job.spec.task.code.local = "src";
  job.spec.task.entry_script = "score.py";
  return job;
}

class RunStateTest : public testing::Test {
 protected:
  void SetUp() override {
    auto api = kube::MemoryApi::Open({});
    ASSERT_TRUE(api);
    api_ = std::move(*api);
  }
  Json All(const kube::ResourceType& type) {
    const auto response = api_->Do({.verb = kube::Verb::kList, .type = type, .ns = kNamespace});
    return ParseJson(response.value().body).value()["items"];
  }
  std::unique_ptr<kube::MemoryApi> api_;
};

TEST_F(RunStateTest, TheJobObjectHoldsTheSpec) {
  RunState state(api_.get(), "small");
  const RunIdentity identity{.manifest = ImmutableManifest(SmallJob()),
                             .code_hash = "code",
                             .inputs_hash = "inputs",
                             .deadline = "none",
                             .environment = "venv"};
  ASSERT_TRUE(state.CreateJob(SmallJob(), identity));
  const Json object = All(kube::ParallelJobs()).at(0);
  const Json manifest = ParseJson(api::ToManifestJson(SmallJob())).value();
  EXPECT_EQ(nlohmann::json(object["spec"]), nlohmann::json(manifest["spec"]));
  EXPECT_EQ(object["spec"]["instanceCount"], 3);
  EXPECT_EQ(object["metadata"]["labels"]["team"], "blue");
  RunState again(api_.get(), "small");
  const auto known = again.LoadJob();
  ASSERT_TRUE(known && *known);
  EXPECT_EQ((*known)->manifest, identity.manifest);
  EXPECT_EQ((*known)->code_hash, "code");
  EXPECT_EQ((*known)->inputs_hash, "inputs");
  EXPECT_EQ((*known)->deadline, "none");
  EXPECT_EQ((*known)->environment, "venv");
  EXPECT_EQ(again.identity(), state.identity());
}

TEST_F(RunStateTest, ChangedMutableFieldsAreTakenOver) {
  RunState state(api_.get(), "small");
  ASSERT_TRUE(state.CreateJob(SmallJob(), {}));
  api::ParallelJob more = SmallJob();
  more.spec.instance_count.Set(5);
  ASSERT_TRUE(state.UpdateSpec(more));
  EXPECT_EQ(All(kube::ParallelJobs()).at(0)["spec"]["instanceCount"], 5);
  RunState again(api_.get(), "small");
  EXPECT_EQ(again.LoadJob().value()->manifest, ImmutableManifest(SmallJob()));
}

TEST_F(RunStateTest, DeletingTheJobRemovesAllOfIt) {
  RunState state(api_.get(), "small");
  ASSERT_TRUE(state.CreateJob(SmallJob(), {}));
  ASSERT_TRUE(state.store().CreatePlan({.hash = "h", .mini_batches = 9, .roots = 1, .items = 9}));
  ASSERT_TRUE(state.store().WriteControl({}));
  ASSERT_TRUE(state.store().WriteControl({}));  // an update must not lose the owner either
  ASSERT_TRUE(state.store().CreateResult({}));
  const job::JobObjects objects{kNamespace, "small", state.identity()};
  ASSERT_FALSE(worker::SchemaGate(api_.get(), objects).Check("[\"a\"]").value());
  const worker::StoreClient store(api_.get(), objects);
  using Op = ledger::Call::Op;
  const std::string name = ledger::ShardName("small", state.identity(), 0);
  const ledger::Reply made = store.Do({.op = Op::kCreate, .name = name, .record = "first"}).value();
  ASSERT_EQ(made.outcome, ledger::Reply::Outcome::kOk);
  ASSERT_EQ(store.Do({.op = Op::kPut, .name = name, .version = made.version, .record = "second"})
                ->outcome,
            ledger::Reply::Outcome::kOk);
  const Json children = All(kube::ConfigMaps());
  ASSERT_EQ(children.size(), 5u);
  for (const Json& child : children) {
    const Json& owner = child["metadata"]["ownerReferences"][0];
    EXPECT_EQ(owner["uid"], state.identity().uid) << child["metadata"]["name"];
    EXPECT_EQ(owner["kind"], "ParallelJob");
    EXPECT_EQ(owner["name"], "small");
  }
  kube::Request gone{.verb = kube::Verb::kDelete, .type = kube::ParallelJobs(), .ns = kNamespace};
  gone.name = "small";
  ASSERT_TRUE(api_->Do(gone).value().ok());
  EXPECT_EQ(All(kube::ConfigMaps()).size(), 0u);
}

}  // namespace
}  // namespace pj::cli
