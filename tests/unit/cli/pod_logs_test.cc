// Following the logs of a job's pods, on a cluster that the test plays.
#include "cli/pod_logs.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/json.h"

namespace pj::cli {
namespace {

using testing::HasSubstr;

class FakeCluster : public kube::HttpApi {
 public:
  Result<kube::Response> Do(const kube::Request& request) override {
    if (request.type == kube::ParallelJobs()) return TheJob();
    Json list{{"kind", "PodList"}, {"items", Json::array()}};
    for (const auto& [name, phase] : pods) {
      const std::string now = looks < 0 ? "Succeeded" : phase;
      list["items"].push_back({{"metadata", {{"name", name}}}, {"status", {{"phase", now}}}});
    }
    return kube::Response{.code = 200, .body = DumpJson(list)};
  }
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest&) override {
    return Fail(Code::kInternal, "no watch");
  }
  Result<kube::Response> GetRaw(const kube::RawRequest& request,
                                const kube::RawReceiver& receiver) override {
    if (log_code != 200) return kube::Response{.code = log_code, .message = "not for you"};
    receiver("2026-01-01T00:00:00.5Z hello\n");
    const std::lock_guard lock(mutex_);
    ++asked[request.path.substr(0, request.path.find("&follow"))];
    return kube::Response{.code = 200};
  }

  std::map<std::string, std::string> pods;  // name → phase
  int troubles = 0;                         // looks at the job that fail before one does not
  int looks = 3;                            // at a running job; then all has ended
  int log_code = 200;
  std::map<std::string, int> asked;  // by container

 private:
  kube::Response TheJob() {
    if (troubles-- > 0) return {.code = 500, .message = "etcd is away"};
    Json job{{"metadata", {{"name", "score"}, {"uid", "u"}}}, {"status", Json::object()}};
    if (looks-- <= 0) {
      job["status"]["conditions"] = Json::array({{{"type", "Complete"}, {"status", "True"}}});
    }
    return {.code = 200, .body = DumpJson(job)};
  }

  std::mutex mutex_;
};

class PodLogs : public testing::Test {
 protected:
  Status Follow(Seconds patience = Seconds(60)) {
    testing::internal::CaptureStdout();
    LogOutput out(false);
    const Status done = FollowLogs(&cluster_,
                                   {.ns = "team",
                                    .job = "score",
                                    .containers = {"agent", "user"},
                                    .look = Millis(2),
                                    .patience = patience},
                                   &out);
    said_ = testing::internal::GetCapturedStdout();
    return done;
  }
  size_t Lines() const { return static_cast<size_t>(std::count(said_.begin(), said_.end(), '\n')); }

  FakeCluster cluster_;
  std::string said_;
};

TEST_F(PodLogs, EachLineComesOnceUntilTheJobHasEnded) {
  cluster_.pods = {{"a", "Running"}, {"b", "Succeeded"}};
  const Status done = Follow();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(Lines(), 4U) << said_;
}

// For ever it would be asked and refused, and nobody told.
TEST_F(PodLogs, WhatMayNotBeReadIsAnError) {
  cluster_.looks = 1 << 20;
  cluster_.pods = {{"a", "Running"}};
  for (const int code : {403, 401}) {
    cluster_.log_code = code;
    const Status done = Follow();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kForbidden);
    EXPECT_THAT(done.error().ToString(), HasSubstr("not for you"));
    EXPECT_THAT(done.error().ToString(), HasSubstr("a/log"));
    EXPECT_THAT(done.error().hint, HasSubstr(code == 401 ? "log in again" : "permission"));
  }
}

TEST_F(PodLogs, EndedPodsMakeRoomForOthers) {
  for (int i = 0; i < 100; ++i) cluster_.pods[fmt::format("pod-{:03}", i)] = "Failed";
  cluster_.pods["the-last"] = "Running";
  const Status done = Follow();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(Lines(), 202U);
  for (const auto& [container, times] : cluster_.asked) {
    if (container.find("the-last") != std::string::npos) continue;
    EXPECT_EQ(times, 1) << container << ": all was said";
  }
}

TEST_F(PodLogs, TooManyThatRunAreRefusedWithTheWayOut) {
  for (int i = 0; i < 33; ++i) cluster_.pods[fmt::format("pod-{:03}", i)] = "Running";
  const Status done = Follow();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kTooLarge);
  EXPECT_THAT(done.error().ToString(), HasSubstr("--instance"));
}

TEST_F(PodLogs, AServerThatIsAwayForAWhileIsWaitedFor) {
  cluster_.pods = {{"a", "Running"}};
  cluster_.troubles = 5;
  const Status done = Follow();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(Lines(), 2U) << said_;
  cluster_.troubles = 1 << 20;
  const Status given_up = Follow(Seconds(0));
  ASSERT_FALSE(given_up);
  EXPECT_THAT(given_up.error().ToString(), HasSubstr("etcd is away"));
}

}  // namespace
}  // namespace pj::cli
