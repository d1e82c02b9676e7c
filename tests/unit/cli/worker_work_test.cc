// What `top` says of workers.
#include "cli/worker_work.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "kube/memory_api.h"

namespace pj::cli {
namespace {

// Allows all but ConfigMaps.
class WithoutMaps : public kube::Api {
 public:
  explicit WithoutMaps(kube::Api* api) : api_(api) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.type != kube::ConfigMaps()) return api_->Do(request);
    return kube::Response{.code = 403, .reason = "Forbidden"};
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

 private:
  kube::Api* api_;
};

class WorkOfTest : public testing::Test {
 protected:
  WorkOfTest() : api_(std::move(*kube::MemoryApi::Open({}))) {
    job_.name = "score";
    job_.ns = "team";
    job_.identity = objects_.identity;
  }
  void Create(const kube::ResourceType& type, const std::string& body) {
    const auto made =
        api_->Do({.verb = kube::Verb::kCreate, .type = type, .ns = "team", .body = body});
    ASSERT_TRUE(made && made->ok());
  }
  void AddLease(int instance, const job::WorkerState& state, const std::string& holder = "uid/1") {
    kube::Lease lease{.meta = objects_.Meta(objects_.Name("w-" + std::to_string(instance)))};
    lease.meta.annotations[job::kWorkerStateNote] = job::EncodeWorkerState(state);
    lease.holder = holder;
    Create(kube::Leases(), kube::Encode(lease));
  }
  void AddShard(const std::string& holder, uint64_t lo, uint64_t done) {
    ledger::ShardRecord shard{.job = objects_.identity, .lo = lo, .hi = lo + 50};
    shard.holder = holder;
    shard.horizon = shard.low_water = lo + done;
    shard.progress = done;
    kube::ConfigMap map{.meta = objects_.Meta(ledger::ShardName("score", objects_.identity, lo))};
    map.binary_data[job::kRecordKey] = ledger::EncodeShard(shard);
    Create(kube::ConfigMaps(), kube::Encode(map));
  }
  std::string Now(int64_t instance, const std::string& phase = "Running") {
    const auto works = WorkOf(api_.get(), job_);
    if (!works) return works.error().ToString();
    const auto found = works->find(instance);
    return Doing({.phase = phase, .instance = instance},
                 found == works->end() ? nullptr : &found->second);
  }

  const job::JobObjects objects_{"team", "score", {.uid = "u", .run = 1}};
  std::unique_ptr<kube::MemoryApi> api_;
  JobView job_;
};

TEST_F(WorkOfTest, ShardsThatMoveTellOfABusyWorkerWhateverItsOldLeaseSays) {
  AddLease(0, {.slots = 2});
  AddLease(1, {.slots = 2});
  AddShard("w-0", 0, 10);
  AddShard("w-0", 50, 5);
  AddShard("w-1", 100, 0);
  EXPECT_EQ(Now(0), "Working");
  EXPECT_EQ(Now(1), "Preparing");
  const auto works = WorkOf(api_.get(), job_).value();
  EXPECT_EQ(works.at(0).done, 15U);
  EXPECT_EQ(works.at(1).done, 0U);
  EXPECT_EQ(works.at(0).state->slots, 2U);
}

TEST_F(WorkOfTest, ALeaseTellsWhatAWorkerIsAt) {
  AddLease(0, {.environment_ready = true, .initialising = true});
  AddLease(1, {.environment_ready = true, .started = 1});
  AddLease(2, {.environment_ready = true, .lost_reason = "InitFailed"});
  AddLease(3, {.trouble_reason = "NoSpace"});
  AddLease(4, {}, "");
  EXPECT_EQ(Now(0), "init()");
  EXPECT_EQ(Now(1), "Working");
  EXPECT_EQ(Now(2), "InitFailed");
  EXPECT_EQ(Now(3), "NoSpace");
  EXPECT_EQ(Now(4), "Stopped");
  EXPECT_EQ(Now(1, "Succeeded"), "Succeeded");
  EXPECT_EQ(Now(9), "Running") << "nothing is known";
}

TEST_F(WorkOfTest, WhereShardsMayNotBeListedTheLeasesTellAlone) {
  AddLease(0, {.environment_ready = true, .slots = 2});
  AddShard("w-0", 0, 10);
  WithoutMaps limited(api_.get());
  const auto works = WorkOf(&limited, job_).value();
  EXPECT_EQ(works.at(0).state->slots, 2U);
  EXPECT_FALSE(works.at(0).done.has_value());
}

}  // namespace
}  // namespace pj::cli
