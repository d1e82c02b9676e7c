#include "kube/own_writes.h"

#include "scripted_api.h"

namespace pj::kube {
namespace {

TEST(HasReached, ComparesNumbersOfAnySize) {
  EXPECT_TRUE(HasReached("10", "9"));
  EXPECT_TRUE(HasReached("10", "10"));
  EXPECT_FALSE(HasReached("9", "10"));
  EXPECT_FALSE(HasReached("", "1"));
  EXPECT_TRUE(HasReached("99999999999999999999999", "99999999999999999999998"));
}

class OwnWritesTest : public testing::Test {
 protected:
  void Follow() {
    for (int i = 0; i < 10; ++i) reflector_.Step(Millis(0));
  }

  std::unique_ptr<MemoryApi> api_ = OpenApi();
  Cache<ConfigMap> cache_{[](std::string_view json) { return DecodeConfigMap(json); }};
  Reflector reflector_{*api_, cache_, {.type = ConfigMaps(), .ns = "ns"}};
  OwnWrites writes_;
};

TEST_F(OwnWritesTest, WaitsUntilTheCacheShowsTheWrite) {
  EXPECT_TRUE(writes_.Seen("job"));
  Follow();
  const ConfigMap a = MustMap(*api_, CreateOf(MakeMap("a")));
  const ConfigMap b = MustMap(*api_, CreateOf(MakeMap("b")));
  writes_.Wrote("job", cache_, b.meta.resource_version);
  writes_.Wrote("job", cache_, a.meta.resource_version);  // an older one changes nothing
  EXPECT_FALSE(writes_.Seen("job"));
  EXPECT_TRUE(writes_.Seen("other job"));
  Follow();
  EXPECT_TRUE(writes_.Seen("job"));
  EXPECT_NE(cache_.Get("ns", "b"), nullptr);
}

TEST_F(OwnWritesTest, WaitsUntilTheDeletedObjectIsGone) {
  const ConfigMap a = MustMap(*api_, CreateOf(MakeMap("a")));
  Follow();
  Must(*api_, DeleteOf("a"));
  writes_.Deleted("job", cache_, "ns", "a", a.meta.uid);
  EXPECT_FALSE(writes_.Seen("job"));
  MustMap(*api_, CreateOf(MakeMap("a")));  // another one
  Follow();
  EXPECT_TRUE(writes_.Seen("job"));
  EXPECT_NE(cache_.Get("ns", "a"), nullptr);
}

TEST_F(OwnWritesTest, ForgetsAKeyThatIsGone) {
  writes_.Wrote("job", cache_, "1000000");
  EXPECT_FALSE(writes_.Seen("job"));
  writes_.Forget("job");
  EXPECT_TRUE(writes_.Seen("job"));
}

}  // namespace
}  // namespace pj::kube
