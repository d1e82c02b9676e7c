// The plan that pods share: in its object, or in a file that may come late.
#include "worker/pod/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/fs.h"
#include "base/hash.h"
#include "output/shared_volume.h"
#include "unit/temp_dir.h"
#include "worker/deflate.h"

namespace pj::worker {
namespace {

using testing::HasSubstr;

class PodPlanTest : public testing::Test {
 protected:
  PodPlanTest() {
    plan::PlanRequest request;
    request.sources.resize(1);
    request.sources[0].root = dir_ / "in";
    request.size = 1;
    std::filesystem::create_directories(dir_ / "in");
    for (const char* name : {"a", "b", "c"}) {
      EXPECT_TRUE(WriteFileAtomic(dir_ / "in/" + name, name));
    }
    Result<job::PlanFacts> facts = BuildPodPlan(request, 1, places_);
    EXPECT_TRUE(facts) << facts.error().ToString();
    facts_ = std::move(*facts);
  }

  // The same plan in a file, as if it were too large for the object.
  std::string MoveToFile() {
    std::string raw = Inflate(facts_.inline_table, 1 << 20).value();
    facts_.inline_table.clear();
    facts_.file = "p.plan";
    facts_.file_bytes = raw.size();
    Sha256 sha;
    sha.Update(raw);
    facts_.file_sha256 = sha.HexDigest();
    return raw;
  }
  Result<std::unique_ptr<plan::Plan>> OpenWhile(const std::function<void(int)>& pause) {
    output::SharedVolume volume([this, &pause](Nanos) {
      pause(++pauses_);
      return false;
    });
    return OpenPodPlan(facts_, places_, &volume);
  }

  const TempDir dir_;
  PlanPlaces places_{.plans = dir_ / "plans", .tmp = dir_ / "tmp", .unique = "u"};
  job::PlanFacts facts_;
  int pauses_ = 0;
};

TEST_F(PodPlanTest, AFileThatComesLateAndGrowsIsWaitedFor) {
  const std::string raw = MoveToFile();
  const std::string file = places_.plans + "/p.plan";
  const auto plan = OpenWhile([&](int n) {
    const Status written = n == 2   ? WriteFileAtomic(file, raw.substr(0, 10))
                           : n == 5 ? WriteFileAtomic(file, raw)
                                    : Status();
    EXPECT_TRUE(written);
  });
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ((*plan)->size(), 3U);
  EXPECT_EQ(pauses_, 5);
}

TEST_F(PodPlanTest, AFileThatNeverComesIsDamage) {
  MoveToFile();
  const auto plan = OpenWhile([](int) {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kCorrupt);
  EXPECT_THAT(plan.error().message, HasSubstr("the file is missing"));
}

TEST_F(PodPlanTest, AnotherFileIsDamageAtOnce) {
  std::string raw = MoveToFile();
  raw[raw.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileAtomic(places_.plans + "/p.plan", raw));
  const auto plan = OpenWhile([](int) {});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("not the one that was made"));
  EXPECT_EQ(pauses_, 0);
}

}  // namespace
}  // namespace pj::worker
