#include <thread>

#include "base/json.h"
#include "helpers.h"

namespace pj::kube {
namespace {

constexpr Millis kNow{0};
constexpr Millis kLong{20'000};

std::unique_ptr<Watch> Open(MemoryApi& api, WatchRequest request = {}) {
  request.type = ConfigMaps();
  request.ns = "ns";
  auto watch = api.OpenWatch(request);
  EXPECT_TRUE(watch.has_value());
  return std::move(*watch);
}

std::string VersionIn(const WatchEvent& event) {
  return Json::parse(event.object)["metadata"]["resourceVersion"];
}

TEST(Watch, BookmarksComeEachMinuteWithTheLatestVersion) {
  ManualClock clock;
  auto api = OpenApi({.clock = &clock});
  auto watch = Open(*api, {.field_selector = "metadata.name=other"});
  EXPECT_FALSE(watch->Next(kNow).has_value());
  const ConfigMap map = MustMap(*api, CreateOf(MakeMap("a")));
  clock.Advance(Seconds(59));
  EXPECT_FALSE(watch->Next(kNow).has_value());
  clock.Advance(Seconds(1));
  auto event = watch->Next(kNow);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, WatchEvent::Type::kBookmark);
  EXPECT_EQ(VersionIn(*event), map.meta.resource_version);
  EXPECT_FALSE(watch->Next(kNow).has_value());
}

TEST(Watch, TimeoutEndsItAfterABookmark) {
  ManualClock clock;
  auto api = OpenApi({.clock = &clock});
  auto with = Open(*api, {.timeout = Seconds(10)});
  auto without = Open(*api, {.bookmarks = false, .timeout = Seconds(10)});
  clock.Advance(Seconds(10));
  auto last = with->Next(kNow);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->type, WatchEvent::Type::kBookmark);
  EXPECT_TRUE(with->Ended());
  EXPECT_FALSE(without->Next(kNow).has_value());
  EXPECT_TRUE(without->Ended());
}

TEST(Watch, OneThatFallsBehindIsExpired) {
  auto api = OpenApi({.watch_history = 3});
  auto watch = Open(*api);
  for (int i = 0; i < 4; ++i) MustMap(*api, CreateOf(MakeMap("m" + std::to_string(i))));
  auto event = watch->Next(kNow);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, WatchEvent::Type::kError);
  EXPECT_EQ(Json::parse(event->object)["code"], 410);
  EXPECT_TRUE(watch->Ended());
  EXPECT_FALSE(watch->Next(kNow).has_value());
}

TEST(Watch, AWaitingOneWakesForAWriteAndForStop) {
  auto api = OpenApi();
  auto watch = Open(*api);
  {
    std::jthread writer([&] { MustMap(*api, CreateOf(MakeMap("a"))); });
    auto event = watch->Next(kLong);
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->type, WatchEvent::Type::kAdded);
  }
  std::jthread stopper([&] { watch->Stop(); });
  EXPECT_FALSE(watch->Next(kLong).has_value());
  EXPECT_TRUE(watch->Ended());
}

TEST(Watch, OutlivesTheServerObject) {
  auto api = OpenApi();
  auto watch = Open(*api);
  MustMap(*api, CreateOf(MakeMap("a")));
  api.reset();
  EXPECT_TRUE(watch->Next(kNow).has_value());
}

TEST(Watch, AfterAReopenOldVersionsAreExpiredAndTheLatestIsNot) {
  TempDir dir;
  const MemoryApiOptions options{.state_file = dir / "state.db"};
  std::string first;
  std::string last;
  {
    auto api = OpenApi(options);
    first = MustMap(*api, CreateOf(MakeMap("a"))).meta.resource_version;
    last = MustMap(*api, CreateOf(MakeMap("b"))).meta.resource_version;
  }
  auto api = OpenApi(options);
  auto old = Open(*api, {.resource_version = first});
  EXPECT_EQ(old->Next(kNow)->type, WatchEvent::Type::kError);
  auto fresh = Open(*api, {.resource_version = last});
  EXPECT_FALSE(fresh->Next(kNow).has_value());
  MustMap(*api, CreateOf(MakeMap("c")));
  EXPECT_EQ(fresh->Next(kNow)->type, WatchEvent::Type::kAdded);
}

}  // namespace
}  // namespace pj::kube
