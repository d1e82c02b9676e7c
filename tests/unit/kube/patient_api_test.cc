// PatientApi: what is asked again, after how long, and what ends the waiting.
#include "kube/patient_api.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "scripted_api.h"

namespace pj::kube {
namespace {

Response Busy(int code, std::optional<Seconds> after) {
  Response out;
  out.code = code;
  out.reason = "TooManyRequests";
  out.retry_after = after;
  return out;
}

class PatientApiTest : public testing::Test {
 protected:
  PatientOptions Options(Nanos limit) {
    return {.limit = limit, .seed = 1, .wait = [this](Nanos time) {
              waits_.push_back(time);
              return false;
            }};
  }

  std::unique_ptr<MemoryApi> memory_ = OpenApi();
  ScriptedApi scripted_{*memory_};
  std::vector<Nanos> waits_;
};

TEST_F(PatientApiTest, ABusyServerIsAskedAgainAfterTheTimeThatItNamed) {
  PatientApi api(&scripted_, Options(Seconds(30)));
  scripted_.answers = {Busy(429, Seconds(2)), Busy(503, Seconds(4))};
  const Response made = Must(api, CreateOf(MakeMap("a")));
  EXPECT_EQ(made.code, 201) << made.body;
  ASSERT_EQ(waits_.size(), 2U);
  EXPECT_GE(waits_[0], Seconds(2));
  EXPECT_LE(waits_[0], Millis(2500));
  EXPECT_GE(waits_[1], Seconds(4));
  EXPECT_LE(waits_[1], Seconds(5));
  ASSERT_EQ(scripted_.requests.size(), 3U);
  EXPECT_EQ(scripted_.requests[2].body, scripted_.requests[0].body);
}

TEST_F(PatientApiTest, TwoThatAreTurnedAwayTogetherComeBackApart) {
  const auto first_wait = [this](uint64_t seed) {
    PatientOptions options = Options(Seconds(30));
    options.seed = seed;
    PatientApi api(&scripted_, std::move(options));
    scripted_.answers = {Busy(429, Seconds(1))};
    Must(api, GetOf("none"));
    return waits_.back();
  };
  EXPECT_NE(first_wait(1), first_wait(2));
}

TEST_F(PatientApiTest, OnlyWhatTheServerAskedForIsRepeated) {
  PatientApi api(&scripted_, Options(Seconds(30)));
  for (const Response& answer :
       {Busy(429, std::nullopt), Busy(503, Seconds(0)), Busy(500, Seconds(1)),
        Busy(504, Seconds(1)), Busy(409, Seconds(1))}) {
    scripted_.answers = {answer};
    scripted_.requests.clear();
    EXPECT_EQ(Must(api, GetOf("a")).code, answer.code);
    EXPECT_EQ(scripted_.requests.size(), 1U);
  }
  scripted_.answers = {Fail(Code::kUnavailable, "the connection broke")};
  EXPECT_FALSE(api.Do(GetOf("a")).has_value());
  EXPECT_TRUE(waits_.empty());
}

TEST_F(PatientApiTest, WhatWouldTakeTooLongIsTheCallersToKnow) {
  PatientApi api(&scripted_, Options(Seconds(3)));
  scripted_.answers = {Busy(429, Seconds(4))};
  EXPECT_EQ(Must(api, GetOf("a")).retry_after, Seconds(4));
  EXPECT_TRUE(waits_.empty());

  // Many short waits count together, jitter included.
  for (int i = 0; i < 10; ++i) scripted_.answers.push_back(Busy(429, Seconds(1)));
  EXPECT_EQ(Must(api, GetOf("a")).code, 429);
  Nanos sum{0};
  for (const Nanos wait : waits_) sum += wait;
  EXPECT_GE(waits_.size(), 2U);
  EXPECT_LE(sum, Seconds(3));

  scripted_.answers = {Busy(429, Seconds(1))};
  api.SetLimit(Nanos(0));
  EXPECT_EQ(Must(api, GetOf("a")).code, 429);
}

// Asks on another thread, and says once it has.
class Signalling : public ScriptedApi {
 public:
  using ScriptedApi::ScriptedApi;
  Result<Response> Do(const Request& request) override {
    Result<Response> out = ScriptedApi::Do(request);
    asked.test_and_set();
    asked.notify_all();
    return out;
  }
  std::atomic_flag asked;
};

TEST_F(PatientApiTest, AStopEndsTheWaitAndThoseToCome) {
  Signalling busy(*memory_);
  busy.answers = {Busy(429, Seconds(3600)), Busy(429, Seconds(3600))};
  PatientApi api(&busy, {.limit = Seconds(7200)});
  int code = 0;
  std::thread waiting([&] { code = Must(api, GetOf("a")).code; });
  busy.asked.wait(false);
  api.Stop();
  waiting.join();
  EXPECT_EQ(code, 429);
  EXPECT_EQ(Must(api, GetOf("a")).code, 429);  // at once
  EXPECT_EQ(busy.requests.size(), 2U);
}

}  // namespace
}  // namespace pj::kube
