#include "kube/memory_api.h"

#include <thread>

#include "base/json.h"
#include "helpers.h"

namespace pj::kube {
namespace {

TEST(MemoryApi, CompareAndSwap) {
  auto api = OpenApi();
  ConfigMap first = MustMap(*api, CreateOf(MakeMap("a")));
  EXPECT_FALSE(first.meta.uid.empty());
  ConfigMap changed = first;
  changed.data["key"] = "w";
  ConfigMap second = MustMap(*api, UpdateOf(changed));
  EXPECT_NE(second.meta.resource_version, first.meta.resource_version);
  EXPECT_EQ(second.meta.uid, first.meta.uid);
  changed.data["key"] = "x";
  const Response stale = Must(*api, UpdateOf(changed));
  EXPECT_EQ(stale.code, 409);
  EXPECT_EQ(stale.reason, "Conflict");
  EXPECT_EQ(MustMap(*api, GetOf("a")).data["key"], "w");
}

TEST(MemoryApi, AnUpdateThatChangesNothingWritesNothing) {
  auto api = OpenApi();
  ConfigMap first = MustMap(*api, CreateOf(MakeMap("a")));
  const uint64_t writes = api->Writes();
  EXPECT_EQ(MustMap(*api, UpdateOf(first)).meta.resource_version, first.meta.resource_version);
  EXPECT_EQ(api->Writes(), writes);
}

TEST(MemoryApi, Faults) {
  auto api = OpenApi();
  ConfigMap map = MustMap(*api, CreateOf(MakeMap("a")));
  Fault next = Fault::kNone;
  api->SetFaultHook([&](const Request&) { return std::exchange(next, Fault::kNone); });
  map.data["key"] = "lost";
  next = Fault::kLoseRequest;
  auto lost = api->Do(UpdateOf(map));
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
  EXPECT_EQ(MustMap(*api, GetOf("a")).data["key"], "v");
  next = Fault::kConflict;
  EXPECT_EQ(Must(*api, UpdateOf(map)).reason, "Conflict");
  next = Fault::kTooMany;
  const Response busy = Must(*api, GetOf("a"));
  EXPECT_EQ(busy.code, 429);
  EXPECT_EQ(busy.retry_after, Seconds(1));
  next = Fault::kServerError;
  EXPECT_EQ(Must(*api, GetOf("a")).code, 500);
  map.data["key"] = "kept";
  next = Fault::kLoseResponse;
  EXPECT_FALSE(api->Do(UpdateOf(map)).has_value());
  EXPECT_EQ(MustMap(*api, GetOf("a")).data["key"], "kept");
}

TEST(MemoryApi, SameSeedSameUids) {
  auto a = OpenApi({.uid_seed = 5});
  auto b = OpenApi({.uid_seed = 5});
  auto c = OpenApi({.uid_seed = 6});
  const std::string uid = MustMap(*a, CreateOf(MakeMap("x"))).meta.uid;
  EXPECT_EQ(uid.size(), 36u);
  EXPECT_EQ(uid, MustMap(*b, CreateOf(MakeMap("x"))).meta.uid);
  EXPECT_NE(uid, MustMap(*c, CreateOf(MakeMap("x"))).meta.uid);
}

TEST(MemoryApi, ReopenGoesOn) {
  TempDir dir;
  const MemoryApiOptions options{.state_file = dir / "state.db"};
  ConfigMap kept;
  std::string last_version;
  {
    auto api = OpenApi(options);
    kept = MustMap(*api, CreateOf(MakeMap("kept")));
    MustMap(*api, CreateOf(MakeMap("gone")));
    EXPECT_EQ(Must(*api, DeleteOf("gone")).code, 200);
    last_version = Json::parse(Must(*api, ListOf()).body)["metadata"]["resourceVersion"];
  }
  auto api = OpenApi(options);
  ConfigMap again = MustMap(*api, GetOf("kept"));
  EXPECT_EQ(again.meta.uid, kept.meta.uid);
  EXPECT_EQ(again.meta.resource_version, kept.meta.resource_version);
  EXPECT_EQ(Must(*api, GetOf("gone")).code, 404);
  ConfigMap next = MustMap(*api, CreateOf(MakeMap("next")));
  EXPECT_GT(std::stoull(next.meta.resource_version), std::stoull(last_version));
}

TEST(MemoryApi, ManyThreadsOneWinner) {
  auto api = OpenApi();
  ConfigMap start = MakeMap("n", "0");
  MustMap(*api, CreateOf(start));
  constexpr int kThreads = 4;
  constexpr int kRaises = 50;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int done = 0; done < kRaises;) {
          ConfigMap map = MustMap(*api, GetOf("n"));
          map.data["key"] = std::to_string(std::stoi(map.data["key"]) + 1);
          if (Must(*api, UpdateOf(map)).ok()) ++done;
        }
      });
    }
  }
  EXPECT_EQ(MustMap(*api, GetOf("n")).data["key"], std::to_string(kThreads * kRaises));
}

}  // namespace
}  // namespace pj::kube
