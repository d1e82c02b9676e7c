#include "kube/reflector.h"

#include <algorithm>

#include "kube/cache.h"
#include "scripted_api.h"

namespace pj::kube {
namespace {

constexpr Millis kNow{0};
using State = ReflectorState;
using Type = WatchEvent::Type;

std::string StatusText(int code, const std::string& reason, int retry_after = 0) {
  return R"({"kind":"Status","code":)" + std::to_string(code) + R"(,"reason":")" + reason +
         R"(","message":"m","details":{"retryAfterSeconds":)" + std::to_string(retry_after) + "}}";
}

Response Refusal(int code, const std::string& reason, std::optional<Seconds> after = {}) {
  Response out;
  out.code = code;
  out.reason = reason;
  out.retry_after = after;
  return out;
}

class ReflectorTest : public testing::Test {
 protected:
  ReflectorTest() { Start({}); }

  void Start(ReflectorOptions options) {
    options.type = ConfigMaps();
    options.ns = "ns";
    options.clock = &clock_;
    reflector_ = std::make_unique<Reflector>(scripted_, cache_, options);
  }
  void Expect(std::vector<WatchEvent> events, bool ends = true) {
    scripted_.watches.push_back(std::make_unique<ScriptedWatch>(std::move(events), ends));
  }
  WatchEvent Error(int code, const std::string& reason, int retry_after = 0) {
    return {Type::kError, StatusText(code, reason, retry_after)};
  }
  State Step() {
    reflector_->Step(kNow);
    return state();
  }
  State state() const { return reflector_->stats().state; }
  // Until the machine waits for an event.
  void Settle() {
    for (int i = 0; i < 20; ++i) Step();
    for (int i = 0; i < 20 && state() != State::kWatching; ++i) Step();
    ASSERT_EQ(state(), State::kWatching);
  }
  ConfigMap Make(const std::string& name, const std::string& value = "v") {
    return MustMap(*api_, CreateOf(MakeMap(name, value)));
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> out;
    for (const auto& map : cache_.All()) out.push_back(map->meta.name);
    return out;
  }
  // The pause until the machine goes on, by advancing the clock bit by bit.
  Nanos BackoffPause() {
    const Nanos begin = clock_.Monotonic();
    while (state() == State::kBackingOff && clock_.Monotonic() - begin < Seconds(100)) {
      clock_.Advance(Millis(1));
      Step();
    }
    return clock_.Monotonic() - begin;
  }

  ManualClock clock_;
  std::unique_ptr<MemoryApi> api_ = OpenApi({.clock = &clock_});
  ScriptedApi scripted_{*api_};
  std::vector<std::string> changes_;
  Cache<ConfigMap> cache_{[](std::string_view json) -> Result<ConfigMap> {
                            PJ_ASSIGN(ConfigMap map, DecodeConfigMap(json));
                            if (map.meta.name.empty()) return Fail(Code::kInvalid, "no name");
                            return map;
                          },
                          [this](const CacheChange<ConfigMap>& change) {
                            // Whoever is told sees it in the cache.
                            const auto& object =
                                change.after != nullptr ? change.after : change.before;
                            if (change.after != nullptr) {
                              EXPECT_EQ(cache_.Get("ns", object->meta.name), change.after);
                            }
                            changes_.push_back((change.before == nullptr  ? "+"
                                                : change.after == nullptr ? "-"
                                                                          : "~") +
                                               object->meta.name);
                          }};
  std::unique_ptr<Reflector> reflector_;
};

using Names_ = std::vector<std::string>;

TEST_F(ReflectorTest, ListsThenFollows) {
  Make("a");
  const ConfigMap b = Make("b");
  EXPECT_EQ(Step(), State::kOpening);
  EXPECT_TRUE(reflector_->stats().synced);
  EXPECT_EQ(scripted_.requests[0].resource_version, "0");
  EXPECT_EQ(scripted_.requests[0].limit, 500);
  EXPECT_EQ(Step(), State::kWatching);
  EXPECT_EQ(scripted_.watch_requests[0].resource_version, b.meta.resource_version);
  EXPECT_TRUE(scripted_.watch_requests[0].bookmarks);

  Make("c");
  MustMap(*api_, UpdateOf(MakeMap("a", "new")));
  Must(*api_, DeleteOf("b"));
  Settle();
  EXPECT_EQ(Names(), (Names_{"a", "c"}));
  EXPECT_EQ(cache_.Get("ns", "a")->data.at("key"), "new");
  EXPECT_EQ(changes_, (Names_{"+a", "+b", "+c", "~a", "-b"}));
}

TEST_F(ReflectorTest, TakesListsPageByPage) {
  Start({.page_size = 2});
  for (const char* name : {"a", "b", "c", "d", "e"}) Make(name);
  EXPECT_EQ(Step(), State::kListing);
  EXPECT_EQ(Step(), State::kListing);
  EXPECT_FALSE(reflector_->stats().synced);
  EXPECT_EQ(cache_.Size(), 0u);  // no half list is ever shown
  EXPECT_EQ(Step(), State::kOpening);
  EXPECT_EQ(cache_.Size(), 5u);
  EXPECT_EQ(scripted_.requests[1].resource_version, "");
}

TEST_F(ReflectorTest, AFailedPageIsAskedForAgain) {
  Start({.page_size = 2});
  for (const char* name : {"a", "b", "c"}) Make(name);
  Step();
  scripted_.answers.push_back(Refusal(429, "TooManyRequests", Seconds(7)));
  EXPECT_EQ(Step(), State::kBackingOff);
  EXPECT_GE(BackoffPause(), Seconds(7));
  EXPECT_EQ(Step(), State::kOpening);
  EXPECT_EQ(cache_.Size(), 3u);
  EXPECT_EQ(scripted_.requests.size(), 3u);
}

TEST_F(ReflectorTest, AnExpiredPageBeginsTheListAgain) {
  Start({.page_size = 2});
  for (const char* name : {"a", "b", "c"}) Make(name);
  Step();
  Must(*api_, DeleteOf("a"));
  api_->Compact();
  EXPECT_EQ(Step(), State::kListing);
  Settle();
  EXPECT_EQ(Names(), (Names_{"b", "c"}));
  EXPECT_EQ(reflector_->stats().expired, 1u);
}

TEST_F(ReflectorTest, ACleanEndGoesOnFromTheLastVersion) {
  Make("a");
  Step();
  Step();
  const std::string first = reflector_->stats().version;
  clock_.Advance(Seconds(60));
  const ConfigMap b = Make("b");
  Settle();
  clock_.Advance(Seconds(601));
  Settle();
  Make("c");
  Settle();
  EXPECT_EQ(reflector_->stats().lists, 1u);
  EXPECT_EQ(reflector_->stats().failures, 0u);
  ASSERT_GE(scripted_.watch_requests.size(), 2u);
  EXPECT_EQ(scripted_.watch_requests[1].resource_version, b.meta.resource_version);
  EXPECT_EQ(Names(), (Names_{"a", "b", "c"}));
}

TEST_F(ReflectorTest, AnExpiredWatchListsAgainAndFindsWhatVanished) {
  Make("gone");
  Make("stays");
  Make("changed");
  Step();
  Must(*api_, DeleteOf("gone"));
  MustMap(*api_, UpdateOf(MakeMap("changed", "new")));
  Make("fresh");
  api_->Compact();
  changes_.clear();
  EXPECT_EQ(Step(), State::kWatching);
  EXPECT_EQ(Step(), State::kListing);
  Settle();
  EXPECT_EQ(changes_, (Names_{"-gone", "~changed", "+fresh"}));
  EXPECT_EQ(Names(), (Names_{"changed", "fresh", "stays"}));
  // "Any version" might be older than what we have.
  EXPECT_EQ(scripted_.requests.back().resource_version, "");
}

TEST_F(ReflectorTest, OneThatExpiresAgainAndAgainBacksOff) {
  Settle();
  for (int i = 0; i < 3; ++i) Expect({Error(410, "Expired")});
  reflector_->Stop();
  Start({});
  Step();
  Step();
  EXPECT_EQ(Step(), State::kListing);
  Step();
  Step();
  EXPECT_EQ(Step(), State::kBackingOff);
  BackoffPause();
  EXPECT_EQ(state(), State::kListing);
}

TEST_F(ReflectorTest, ARefusedWatchBacksOffAndDoesNotListAgain) {
  for (const auto& error : {Error(429, "TooManyRequests", 3), Error(500, "InternalError"),
                            Error(403, "Forbidden"), WatchEvent{Type::kError, "<html>"}}) {
    Expect({error});
  }
  Step();
  Step();
  EXPECT_EQ(Step(), State::kBackingOff);
  EXPECT_GE(BackoffPause(), Seconds(3));
  EXPECT_EQ(state(), State::kOpening);
  for (int i = 0; i < 3; ++i) {
    Step();
    EXPECT_EQ(Step(), State::kBackingOff);
    BackoffPause();
  }
  Settle();
  EXPECT_EQ(reflector_->stats().lists, 1u);
  EXPECT_EQ(reflector_->stats().failures, 4u);
  EXPECT_NE(reflector_->stats().last_error.find("<html>"), std::string::npos);
}

TEST_F(ReflectorTest, BackoffGrowsToItsCapAndStartsAnewAfterCalm) {
  scripted_.answers.assign(40, Fail(Code::kUnavailable, "refused"));
  Nanos longest{0};
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(Step(), State::kBackingOff);
    const Nanos pause = BackoffPause();
    if (i == 0) {
      EXPECT_LE(pause, Millis(802));
    }
    longest = std::max(longest, pause);
  }
  EXPECT_GT(longest, Seconds(20));
  EXPECT_LE(longest, Seconds(31));
  Settle();
  clock_.Advance(Seconds(121));
  Expect({Error(500, "InternalError")});
  Settle();
  clock_.Advance(Seconds(700));  // the watch ends
  while (state() != State::kBackingOff) Step();
  EXPECT_LE(BackoffPause(), Millis(802));
}

TEST_F(ReflectorTest, AWatchThatEndsAtOnceAndEmptyHasFailed) {
  Expect({});
  Step();
  Step();
  EXPECT_EQ(Step(), State::kBackingOff);
  BackoffPause();
  // After a second, or with an event, it is a clean end.
  Expect({}, false);
  Step();
  clock_.Advance(Seconds(2));
  EXPECT_EQ(Step(), State::kWatching);
}

TEST_F(ReflectorTest, ASilentWatchIsDead) {
  Make("a");
  Expect({}, false);
  Step();
  Step();
  clock_.Advance(Seconds(149));
  EXPECT_EQ(Step(), State::kWatching);
  Make("b");
  clock_.Advance(Seconds(1));
  EXPECT_EQ(Step(), State::kOpening);
  EXPECT_EQ(reflector_->stats().silent, 1u);
  Settle();
  EXPECT_EQ(Names(), (Names_{"a", "b"}));
}

// A server whose store was set back does not know our version, and may wait for it without a word.
TEST_F(ReflectorTest, ASecondSilenceListsAgain) {
  Make("a");
  Expect({}, false);
  Expect({}, false);
  Step();
  Step();
  clock_.Advance(Seconds(150));
  EXPECT_EQ(Step(), State::kOpening);
  EXPECT_EQ(Step(), State::kWatching);
  clock_.Advance(Seconds(150));
  EXPECT_EQ(Step(), State::kListing);
  Step();
  EXPECT_EQ(scripted_.requests.back().resource_version, "") << "a current one, of any version";
  EXPECT_EQ(reflector_->stats().lists, 2u);
}

TEST_F(ReflectorTest, AVersionFromTheFutureListsAgain) {
  Make("a");
  Expect({WatchEvent{Type::kError, R"({"kind":"Status","code":504,"reason":"Timeout",
      "message":"Timeout: Too large resource version: 900, current: 3"})"}});
  Step();
  Step();
  EXPECT_EQ(Step(), State::kListing);
  EXPECT_EQ(reflector_->stats().expired, 1u);
}

TEST_F(ReflectorTest, BookmarksKeepAQuietWatchAliveAndFresh) {
  Settle();
  Must(*api_, {.verb = Verb::kCreate,
               .type = ConfigMaps(),
               .ns = "other",
               .body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}})"});
  const std::string before = cache_.Version();
  for (int i = 0; i < 4; ++i) {
    clock_.Advance(Seconds(61));
    Step();
  }
  EXPECT_EQ(reflector_->stats().silent, 0u);
  EXPECT_EQ(reflector_->stats().watches, 1u);
  EXPECT_NE(cache_.Version(), before);
}

TEST_F(ReflectorTest, WatchTimesAreRandomWithinTheirRange) {
  std::vector<Seconds> times;
  Step();
  for (int i = 0; i < 30; ++i) {
    Step();
    times.push_back(scripted_.watch_requests.back().timeout);
    EXPECT_GE(times.back(), Seconds(300));
    EXPECT_LE(times.back(), Seconds(600));
    clock_.Advance(Seconds(601));
    while (Step() != State::kOpening) {
    }
  }
  std::ranges::sort(times);
  EXPECT_GT(times.back() - times.front(), Seconds(100));
}

TEST_F(ReflectorTest, TheSameNameWithANewUidIsAnotherObject) {
  Make("a");
  Step();
  Must(*api_, DeleteOf("a"));
  Make("a");
  api_->Compact();
  changes_.clear();
  Settle();
  EXPECT_EQ(changes_, (Names_{"-a", "+a"}));
}

TEST_F(ReflectorTest, WhatCannotBeDecodedIsPassedOver) {
  Expect({{Type::kAdded, R"({"metadata":{"namespace":"ns","resourceVersion":"90"}})"}}, false);
  Step();
  Step();
  EXPECT_EQ(Step(), State::kWatching);
  EXPECT_EQ(reflector_->stats().undecodable, 1u);
  EXPECT_EQ(cache_.Version(), "90");
}

TEST_F(ReflectorTest, BrokenEventsAndListsBackOff) {
  Response html = Refusal(200, "");
  html.body = "<html>welcome to the proxy</html>";
  Response cut = Refusal(200, "");
  cut.body = R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a")";
  scripted_.answers.push_back(html);
  scripted_.answers.push_back(cut);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Step(), State::kBackingOff);
    BackoffPause();
  }
  EXPECT_FALSE(reflector_->stats().synced);
  Expect({{Type::kAdded, "nonsense"}}, false);
  Step();
  Step();
  EXPECT_EQ(Step(), State::kBackingOff);
  BackoffPause();
  Settle();
}

TEST_F(ReflectorTest, StopWakesTheThread) {
  auto api = OpenApi();
  Cache<ConfigMap> cache([](std::string_view json) { return DecodeConfigMap(json); });
  Reflector reflector(*api, cache, {.type = ConfigMaps(), .ns = "ns"});
  {
    ReflectorThread thread(reflector);
  }
  EXPECT_TRUE(reflector.stopped());
}

}  // namespace
}  // namespace pj::kube
