// What keeps pods from being there, from starting, or fails them again and again is named.
#include "operator/stuck.h"

#include <fmt/core.h>

#include <algorithm>

#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using testing::HasSubstr;
using testing::Not;

// Selects Events by the object that they are about, as an API server does.
class EventsApi : public kube::Api {
 public:
  explicit EventsApi(kube::Api* api) : api_(api) {}
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.verb != kube::Verb::kList || request.type != Events()) return api_->Do(request);
    ++asked;
    if (forbidden) return kube::Response{.code = 403, .reason = "Forbidden", .message = "no"};
    kube::Request all = request;
    all.field_selector.clear();
    PJ_ASSIGN(kube::Response response, api_->Do(all));
    Json list = Json::parse(response.body);
    Json about = Json::array();
    for (const Json& event : list["items"]) {
      const std::string uid = event["involvedObject"].value("uid", "");
      if (request.field_selector == "involvedObject.uid=" + uid) about.push_back(event);
    }
    list["items"] = about;
    response.body = list.dump();
    return response;
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return api_->OpenWatch(request);
  }

  int asked = 0;
  bool forbidden = false;

 private:
  kube::Api* api_;
};

class StuckTest : public OperatorTest {
 protected:
  Nanos Next(Nanos after = Nanos(0)) {
    clock_.Advance(after);
    const Result<Nanos> next = looking_.Reconcile({kNs, kName});
    EXPECT_TRUE(next) << next.error().ToString();
    return next.value_or(kNever);
  }
  void PutEvent(const Json& about, const std::string& reason, const std::string& message) {
    Make(Events(), {{"apiVersion", "v1"},
                    {"kind", "Event"},
                    {"metadata", {{"name", "e" + std::to_string(++events_)}, {"namespace", kNs}}},
                    {"involvedObject",
                     {{"kind", about["kind"]},
                      {"name", about["metadata"]["name"]},
                      {"uid", about["metadata"]["uid"]}}},
                    {"type", "Warning"},
                    {"reason", reason},
                    {"message", message},
                    {"lastTimestamp", FormatRfc3339Seconds(clock_.Wall())}});
  }
  // A pod of the job's Job, at that index.
  Json PutOwned(const std::string& name, const Json& status, int index = 0) {
    const Json job = Job();
    const Json owner{{"apiVersion", "batch/v1"},
                     {"kind", "Job"},
                     {"name", job["metadata"]["name"]},
                     {"uid", job["metadata"]["uid"]},
                     {"controller", true}};
    PutPod(
        name, status,
        {{"ownerReferences", Json::array({owner})},
         {"annotations", {{"batch.kubernetes.io/job-completion-index", std::to_string(index)}}}});
    return Get(Pods(), name);
  }
  Json Failed(int code, const std::string& message) {
    return {{"phase", "Failed"},
            {"containerStatuses",
             Json::array({{{"name", "agent"},
                           {"state",
                            {{"terminated",
                              {{"exitCode", code},
                               {"reason", "Error"},
                               {"message", message},
                               {"finishedAt", FormatRfc3339Seconds(clock_.Wall())}}}}}}})}};
  }
  std::string Reason() { return Condition("Reconciling").value("reason", ""); }
  std::string Message() { return Condition("Reconciling").value("message", ""); }

  EventsApi events_api_{api_.get()};
  Reconciler looking_{{.api = &events_api_, .reader = reader_.get(), .clock = &clock_}};
  int events_ = 0;
};

TEST_F(StuckTest, WhatTheJobControllerIsRefusedIsNamed) {
  Apply();
  Next();
  PutEvent(Job(), "SuccessfulDelete", "an older story");
  PutEvent(Job(), "FailedCreate", "pods \"a\" is forbidden: exceeded quota: tiny");
  EXPECT_LE(Next(Seconds(6)), Seconds(14)) << "nothing else would wake the operator";
  EXPECT_EQ(events_api_.asked, 0) << "pods take a moment";
  Next(Seconds(20));
  EXPECT_EQ(events_api_.asked, 1);
  EXPECT_EQ(Reason(), "FailedCreate");
  EXPECT_THAT(Message(), HasSubstr("exceeded quota: tiny"));
  EXPECT_THAT(Message(), HasSubstr("Job " + std::string(Job()["metadata"]["name"])));
  PutOwned("p0", Running(), 0);
  PutOwned("p1", Running(), 1);
  Next(Seconds(6));
  EXPECT_EQ(Reason(), "Starting");
}

TEST_F(StuckTest, ItIsAskedEverMoreSeldom) {
  Apply();
  Next();
  for (int i = 0; i < 3600 / 5; ++i) Next(Seconds(5));
  EXPECT_GE(events_api_.asked, 10);
  EXPECT_LE(events_api_.asked, 16);
}

TEST_F(StuckTest, ManyStuckJobsAreAskedAboutOneAfterTheOther) {
  constexpr int kJobs = 60;
  struct Key {
    JobKey key;
    Nanos due{0};
  };
  std::vector<Key> keys;
  for (int i = 0; i < kJobs; ++i) {
    Json job = SmallJob();
    job["metadata"]["name"] = fmt::format("score-{}", i);
    Apply(job);
    keys.push_back({.key = {kNs, job["metadata"]["name"]}});
  }
  // As the queue does: each job as soon as it wants to be looked at, and at once after its start.
  int turns = 0;
  int most = 0;  // in one second
  for (int second = 0; second < 45; ++second) {
    const int before = events_api_.asked;
    for (int tick = 0; tick < 10; ++tick, clock_.Advance(Millis(100))) {
      for (Key& each : keys) {
        if (each.due > clock_.Monotonic()) continue;
        const Result<Nanos> next = looking_.Reconcile(each.key);
        ASSERT_TRUE(next) << next.error().ToString();
        each.due = clock_.Monotonic() + std::min<Nanos>(*next, Seconds(5));
        ++turns;
      }
    }
    most = std::max(most, events_api_.asked - before);
  }
  EXPECT_GE(events_api_.asked, kJobs) << "each has its moment";
  EXPECT_LE(most, 10) << "five a second, and five at once after a rest";
  EXPECT_LE(turns, kJobs * 45) << "nobody tries again and again";
}

TEST_F(StuckTest, AVolumeThatIsNotMountedIsNamed) {
  Apply();
  Next();
  PutOwned("p0", Running(), 0);
  const Json pod = PutOwned("p1", {{"phase", "Pending"}}, 1);
  Next(Seconds(6));
  PutEvent(pod, "Scheduled", "to node-1");
  PutEvent(pod, "FailedMount", "configmap \"score-code\" not found");
  Next(Seconds(20));
  EXPECT_EQ(Reason(), "FailedMount");
  EXPECT_THAT(Message(), HasSubstr("Pod p1: configmap \"score-code\" not found"));
}

TEST_F(StuckTest, WithoutTheRightTheJobGoesOnUnexplained) {
  events_api_.forbidden = true;
  Apply();
  Next();
  Next(Seconds(6));  // the Job is seen
  Next(Seconds(30));
  EXPECT_EQ(events_api_.asked, 1);
  EXPECT_EQ(Reason(), "Starting");
}

TEST_F(StuckTest, AnOldEventExplainsNothing) {
  Apply();
  Next();
  PutEvent(Job(), "FailedCreate", "exceeded quota");
  clock_.Advance(Seconds(3600));
  Next();
  Next(Seconds(30));
  EXPECT_GE(events_api_.asked, 1);
  EXPECT_EQ(Reason(), "Starting");
}

TEST_F(StuckTest, AJobWithItsPodsIsNotAskedAbout) {
  Apply();
  Next();
  PutOwned("p0", Running(), 0);
  PutOwned("p1", Running(), 1);
  for (int i = 0; i < 100; ++i) Next(Seconds(5));
  EXPECT_EQ(events_api_.asked, 0);
}

TEST_F(StuckTest, PodsThatFailAgainAndAgainTellTheirLastWords) {
  Apply();
  Next();
  PutOwned("p0-a", Failed(3, "cannot read the manifest"), 0);
  PutOwned("p1-a", Failed(3, "somebody else"), 1);
  Next(Seconds(6));
  EXPECT_EQ(Reason(), "Starting") << "once each: that is what replacement is for";
  PutOwned("p0-b", Failed(4, "cannot read the plan"), 0);
  Next(Seconds(6));
  EXPECT_EQ(Reason(), "WorkersFail");
  EXPECT_EQ(Message(),
            "3 worker pods have failed, the last of them p0-b: container agent ended with 4 "
            "(Error): cannot read the plan");
  Next(Seconds(3600));
  EXPECT_EQ(Reason(), "Starting") << "that was long ago";
}

TEST_F(StuckTest, EvictedPodsDoNotFailByThemselves) {
  Apply();
  Next();
  Json evicted = Failed(137, "");
  evicted["conditions"] = Json::array({{{"type", "DisruptionTarget"}, {"status", "True"}}});
  PutOwned("p0-a", evicted);
  PutOwned("p0-b", evicted);
  Next(Seconds(6));
  EXPECT_EQ(Reason(), "Starting");
}

}  // namespace
}  // namespace pj::op
