// Pods that nobody on their node removes any more.
#include "operator/lost_workers.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Notes which pods are deleted at once.
class NotingApi : public kube::Api {
 public:
  explicit NotingApi(kube::Api* api) : api_(api) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.verb == kube::Verb::kDelete && request.type == Pods()) {
      EXPECT_NE(request.precondition_uid, "");
      if (request.grace_seconds == 0) {
        forced.push_back(request.name);
      } else {
        EXPECT_EQ(request.grace_seconds, 2);
        hurried.push_back(request.name);
      }
    }
    return api_->Do(request);
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

  std::vector<std::string> forced;
  std::vector<std::string> hurried;  // given less time

 private:
  kube::Api* api_;
};

class LeftoversTest : public OperatorTest {
 protected:
  void SetUp() override {
    Apply();
    Settle();
    PutPod("p0", Running());
  }

  // As the garbage collector does it, or a node's eviction: the pod is told to go and stays.
  void Terminate(const std::string& name) {
    Json pod = Get(Pods(), name);
    pod["metadata"]["finalizers"] = {"batch.kubernetes.io/job-tracking"};
    Put(Pods(), pod);
    Delete(Pods(), name);
  }
  void LoseNode(const std::string& name) {
    SetPodStatus(name, Json::parse(R"({"phase": "Running", "conditions": [
        {"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]})"));
  }
  Nanos NotedTurn(Nanos after = Nanos(0)) {
    clock_.Advance(after);
    noting_.forced.clear();
    const Result<Nanos> next = noted_.Reconcile({kNs, kName});
    EXPECT_TRUE(next) << next.error().ToString();
    return next.value_or(kNever);
  }

  NotingApi noting_{api_.get()};
  Reconciler noted_{{.api = &noting_, .reader = reader_.get(), .clock = &clock_}};
};

TEST_F(LeftoversTest, APodOfALostNodeGoesWithItsJob) {
  LoseNode("p0");
  Terminate("p0");
  Delete(kube::ParallelJobs(), kName);
  EXPECT_LE(NotedTurn(), Seconds(5)) << "until it is seen to be gone";
  EXPECT_THAT(noting_.forced, ElementsAre("p0"));
}

TEST_F(LeftoversTest, APodOfAGoodNodeHasItsGrace) {
  Terminate("p0");  // of grace 0, as the embedded API deletes
  Delete(kube::ParallelJobs(), kName);
  const Nanos left = NotedTurn(Seconds(3));
  EXPECT_THAT(noting_.forced, IsEmpty());
  EXPECT_LE(left, Seconds(3));
  NotedTurn(left);
  EXPECT_THAT(noting_.forced, ElementsAre("p0")) << "and no more than its grace";
}

// As an API server tells a pod with a grace of 30 s to go: the embedded API knows none.
TEST_F(LeftoversTest, APodOfASilentNodeGetsLessTime) {
  WorkerPodView pod = DecodeWorkerPod(Get(Pods(), "p0").dump()).value();
  pod.deletion = clock_.Wall() + Seconds(30);
  pod.grace = Seconds(30);
  Writer writer(&noting_);
  const auto release = [&](Nanos after) {
    clock_.Advance(after);
    return ReleaseLeftovers({pod}, &writer, clock_).value();
  };
  EXPECT_LE(release(Nanos(0)), Seconds(13));
  EXPECT_THAT(noting_.hurried, IsEmpty()) << "a kubelet that lives needs a moment";
  EXPECT_LE(release(Seconds(12)), Seconds(8));
  EXPECT_THAT(noting_.hurried, ElementsAre("p0"));
  pod.deletion = clock_.Wall() + Seconds(2);
  pod.grace = Seconds(2);
  EXPECT_LE(release(Nanos(0)), Seconds(8));
  EXPECT_THAT(noting_.hurried, ElementsAre("p0")) << "once";
  EXPECT_THAT(noting_.forced, IsEmpty());
  release(Seconds(8));
  EXPECT_THAT(noting_.forced, ElementsAre("p0")) << "20 s after it was told to go";
}

TEST_F(LeftoversTest, NobodyTouchesAPodThatIsNotToldToGo) {
  LoseNode("p0");
  Delete(kube::ParallelJobs(), kName);
  EXPECT_EQ(NotedTurn(Seconds(600)), kNever);
  EXPECT_THAT(noting_.forced, IsEmpty());
}

TEST_F(LeftoversTest, ThePodsOfALivingJobAreNotLeft) {
  Terminate("p0");
  LoseNode("p0");
  NotedTurn();
  EXPECT_THAT(noting_.forced, IsEmpty());
}

TEST_F(LeftoversTest, AJobOfTheSameNameSeesToThoseOfTheFormer) {
  Terminate("p0");
  LoseNode("p0");
  Delete(kube::ParallelJobs(), kName);
  Apply();
  NotedTurn();
  EXPECT_THAT(noting_.forced, ElementsAre("p0"));
}

TEST_F(LeftoversTest, SomebodyElsesPodWithOurLabelsIsNotOurs) {
  Json pod = Get(Pods(), "p0");
  pod["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "another";
  Put(Pods(), pod);
  Terminate("p0");
  LoseNode("p0");
  Delete(kube::ParallelJobs(), kName);
  EXPECT_EQ(NotedTurn(), kNever);
  EXPECT_THAT(noting_.forced, IsEmpty());
}

TEST_F(LeftoversTest, AReplacedWorkerOfALostNodeIsRemoved) {
  Terminate("p0");
  NotedTurn(Seconds(31));
  EXPECT_EQ(Get(Pods(), "p0")["status"]["phase"], "Failed");
  EXPECT_THAT(noting_.forced, IsEmpty()) << "not before it is known to have failed";
  EXPECT_LE(NotedTurn(), Seconds(5));
  EXPECT_THAT(noting_.forced, ElementsAre("p0"));
  EXPECT_THAT(EventReasons(), testing::Contains("WorkerLost"));
}

TEST_F(LeftoversTest, AnEndedPodOfAGoodNodeIsItsKubelets) {
  Terminate("p0");
  SetPodStatus("p0", {{"phase", "Failed"}, {"reason", "Evicted"}});
  NotedTurn(Seconds(60));
  EXPECT_THAT(noting_.forced, IsEmpty());
}

}  // namespace
}  // namespace pj::op
