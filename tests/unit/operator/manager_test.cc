// The running operator: threads, queue, caches, leadership, health, on the embedded API.
#include "operator/manager.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fs.h"
#include "tests/unit/operator/http_get.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

bool WaitFor(const std::function<bool()>& condition) {
  const Nanos deadline = SystemClock().Monotonic() + Seconds(60);
  while (!condition()) {
    if (SystemClock().Monotonic() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

// RunManager() on a thread of its own; stopped and joined at the end.
class Running {
 public:
  Running(kube::Api* api, ManagerOptions options)
      : options_(std::move(options)), thread_([this, api] {
          options_.health_address = "127.0.0.1:0";
          options_.serving = [this](int port) { port_ = port; };
          status_ = RunManager(api, options_, stop_.get());
          ended_ = true;
        }) {}
  ~Running() { Stop(); }

  Status Stop() {
    const uint64_t one = 1;
    EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    if (thread_.joinable()) thread_.join();
    return status_;
  }
  bool ended() const { return ended_; }
  std::string Ask(const std::string& path) const { return HttpGet(port_, path); }

 private:
  ManagerOptions options_;
  const UniqueFd stop_{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<int> port_{0};
  std::atomic<bool> ended_{false};
  Status status_;
  std::thread thread_;
};

class ManagerTest : public OperatorTest {
 protected:
  static ManagerOptions Options(const std::string& identity, bool elect) {
    return {.leader_elect = elect, .lease_namespace = kNs, .identity = identity, .workers = 4};
  }
  size_t Count(const kube::ResourceType& type) { return List(type).size(); }
  // A word of the status; empty before there is one.
  std::string Says(const std::string& key) {
    const Json status = Status();
    return status.is_object() ? status.value(key, "") : "";
  }
  bool IsMade() { return Count(Jobs()) == 1 && Says("state") == "Pending"; }
  std::string Holder() {
    const kube::Request get{
        .verb = kube::Verb::kGet, .type = kube::Leases(), .ns = kNs, .name = kLeaderLease};
    const kube::Response response = api_->Do(get).value();
    return response.ok() ? kube::DecodeLease(response.body)->holder : "";
  }
};

TEST_F(ManagerTest, AParallelJobGetsItsChildren) {
  pj::op::Running manager(api_.get(), Options("a", false));
  Apply();
  ASSERT_TRUE(WaitFor([&] { return IsMade(); }));
  EXPECT_EQ(Count(Roles()), 1u);
  EXPECT_EQ(Control().mode, ledger::Control::Mode::kRun);
  // A change of somebody else's object brings the next turn.
  Plan(100);
  PutPod("p0", OperatorTest::Running());
  PutShard(Shard(100, 40));
  EXPECT_TRUE(WaitFor([&] { return Says("progress") == "40%"; }));
  EXPECT_FALSE(manager.ended());
  EXPECT_TRUE(manager.Stop());
}

TEST_F(ManagerTest, AJobThatWasThereBeforeIsFound) {
  Apply();
  pj::op::Running manager(api_.get(), Options("a", true));
  EXPECT_TRUE(WaitFor([&] { return IsMade(); }));
}

// An operator that starts among a thousand jobs must not let a new one wait for all of them.
TEST_F(ManagerTest, JobsThatWereThereBeforeWaitForNewOnes) {
  const auto apply = [this](const std::string& name) {
    Json job = SmallJob();
    job["metadata"]["name"] = name;
    Apply(job);
  };
  for (const char* name : {"old-1", "old-2", "old-3"}) apply(name);
  std::atomic<bool> hanging{true};
  std::mutex mutex;
  std::vector<std::string> order;  // names, as they get their Jobs
  api_->SetFaultHook([&](const kube::Request& request) {
    if (request.verb != kube::Verb::kCreate || request.type != Jobs()) return kube::Fault::kNone;
    EXPECT_TRUE(WaitFor([&] { return !hanging; }));
    const std::lock_guard lock(mutex);
    order.push_back(Json::parse(request.body)["metadata"]["labels"]["paralleljob.dev/job"]);
    return kube::Fault::kNone;
  });
  ManagerOptions options = Options("a", false);
  options.workers = 1;
  pj::op::Running manager(api_.get(), options);
  const auto waiting = [&](int jobs) {
    return manager.Ask("/metrics").contains(fmt::format("paralleljob_workqueue_depth {}\n", jobs));
  };
  ASSERT_TRUE(WaitFor([&] { return waiting(2); })) << "one of three is in its turn";
  apply("new");
  ASSERT_TRUE(WaitFor([&] { return waiting(3); }));
  hanging = false;
  ASSERT_TRUE(WaitFor([&] { return Count(Jobs()) == 4; }));
  EXPECT_TRUE(manager.Stop());
  ASSERT_EQ(order.size(), 4u);
  EXPECT_EQ(order[1], "new");
}

TEST_F(ManagerTest, SaysHowItIs) {
  Apply();
  pj::op::Running manager(api_.get(), Options("a", true));
  ASSERT_TRUE(WaitFor([&] { return IsMade(); }));
  EXPECT_THAT(manager.Ask("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(manager.Ask("/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(manager.Ask("/metrics"), HasSubstr("paralleljob_leader 1"));
}

TEST_F(ManagerTest, WhoStopsReleasesTheLead) {
  Apply();
  auto first = std::make_unique<pj::op::Running>(api_.get(), Options("first", true));
  ASSERT_TRUE(WaitFor([&] { return Holder() == "first"; }));
  pj::op::Running second(api_.get(), Options("second", true));
  ASSERT_TRUE(WaitFor([&] { return IsMade(); }));
  EXPECT_TRUE(first->Stop());
  EXPECT_NE(Holder(), "first");
  EXPECT_TRUE(WaitFor([&] { return Holder() == "second"; }));
  Change([](Json& job) { job["spec"]["instanceCount"] = 3; });
  EXPECT_TRUE(WaitFor([&] { return Job()["spec"]["parallelism"] == 3; }));
}

TEST_F(ManagerTest, WhoDoesNotLeadWritesNothing) {
  Apply();
  kube::Lease lease;
  lease.meta.ns = kNs;
  lease.meta.name = kLeaderLease;
  lease.holder = "another";
  lease.duration_seconds = 3600;
  Make(kube::Leases(), Json::parse(kube::Encode(lease)));
  const uint64_t before = api_->Writes();
  pj::op::Running manager(api_.get(), Options("a", true));
  ASSERT_TRUE(WaitFor([&] { return manager.Ask("/readyz").starts_with("HTTP/1.1 200"); }));
  EXPECT_THAT(manager.Ask("/metrics"), HasSubstr("paralleljob_leader 0"));
  EXPECT_TRUE(manager.Stop());
  EXPECT_EQ(api_->Writes(), before);
}

TEST_F(ManagerTest, ATurnThatFailsIsRepeated) {
  std::atomic<int> refused{0};
  api_->SetFaultHook([&](const kube::Request& request) {
    const bool job = request.verb == kube::Verb::kCreate && request.type == Jobs();
    return job && refused++ < 3 ? kube::Fault::kServerError : kube::Fault::kNone;
  });
  pj::op::Running manager(api_.get(), Options("a", false));
  Apply();
  EXPECT_TRUE(WaitFor([&] { return IsMade(); }));
  EXPECT_GE(refused, 4);
  EXPECT_TRUE(manager.Stop());
}

TEST_F(ManagerTest, ATurnThatHangsIsNotHealthy) {
  std::atomic<bool> hanging{true};
  api_->SetFaultHook([&](const kube::Request& request) {
    if (request.verb == kube::Verb::kCreate && request.type == Jobs()) {
      EXPECT_TRUE(WaitFor([&] { return !hanging; }));
    }
    return kube::Fault::kNone;
  });
  ManagerOptions options = Options("a", false);
  options.longest_turn = Millis(20);
  pj::op::Running manager(api_.get(), options);
  Apply();
  EXPECT_TRUE(WaitFor([&] { return !manager.Ask("/healthz").starts_with("HTTP/1.1 200"); }));
  hanging = false;
  EXPECT_TRUE(WaitFor([&] { return IsMade(); }));
  EXPECT_TRUE(WaitFor([&] { return manager.Ask("/healthz").starts_with("HTTP/1.1 200"); }));
}

TEST_F(ManagerTest, WithoutATurnThoughJobsWaitItIsNotHealthy) {
  ManagerOptions options = Options("a", false);
  options.workers = 0;  // as if all threads were gone
  options.longest_turn = Millis(20);
  pj::op::Running manager(api_.get(), options);
  const auto healthy = [&] { return manager.Ask("/healthz").starts_with("HTTP/1.1 200"); };
  ASSERT_TRUE(WaitFor([&] { return manager.Ask("/readyz").starts_with("HTTP/1.1 200"); }));
  const Nanos ready = SystemClock().Monotonic();
  while (SystemClock().Monotonic() - ready < 3 * options.longest_turn) {
    ASSERT_TRUE(healthy()) << "there is nothing to do";
  }
  Apply();
  EXPECT_TRUE(WaitFor([&] { return !healthy(); }));
}

// A process of its own, which ends at once: its turns may hang in requests.
TEST_F(ManagerTest, WhoLosesTheLeadEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto lose = [this] {
    pj::op::Running manager(api_.get(), Options("a", true));
    if (!WaitFor([&] { return Holder() == "a"; })) return;
    Json lease = Get(kube::Leases(), kLeaderLease);
    lease["spec"]["holderIdentity"] = "thief";
    Put(kube::Leases(), lease);
    WaitFor([&] { return manager.ended(); });
  };
  EXPECT_EXIT(lose(), testing::ExitedWithCode(kExitLost), "the lead is lost");
}

}  // namespace
}  // namespace pj::op
