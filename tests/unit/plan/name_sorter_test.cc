#include "plan/name_sorter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/rng.h"
#include "plan_fixture.h"

namespace pj::plan {
namespace {

class NameSorterTest : public PlanFixture {
 protected:
  static std::vector<std::string> All(NameSorter* sorter) {
    std::vector<std::string> out;
    NameSorter::Name name;
    while (true) {
      const Result<bool> more = sorter->Next(&name);
      EXPECT_TRUE(more) << more.error().ToString();
      if (!more || !*more) return out;
      out.push_back(std::string(name.text) + (name.folder ? "/" : ""));
    }
  }

  // Names with and without runs; a folder's name sorts with its slash.
  void Check(size_t names, size_t run, uint64_t seed) {
    Rng rng(seed);
    NameSorter sorter(dir_, run);
    std::vector<std::string> expected;
    for (size_t i = 0; i < names; ++i) {
      std::string name = "shared-" + std::string(rng.Below(3) == 0 ? rng.Below(400) : 0, '.');
      name += "a0-\xC3"[rng.Below(4)] + std::to_string(i);
      const bool folder = rng.Below(4) == 0;
      ASSERT_TRUE(sorter.Add(name, folder));
      expected.push_back(name + (folder ? "/" : ""));
    }
    ASSERT_TRUE(sorter.Finish());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(All(&sorter), expected) << names << " names, runs of " << run;
  }
};

TEST_F(NameSorterTest, RunsAreMergedIntoOneOrder) {
  for (const size_t run : {size_t{1}, size_t{7}, size_t{100}, size_t{1000}, size_t{5000}}) {
    Check(1000, run, run);
  }
  Check(0, 10, 1);
  Check(30'000, 10'000, 2);
}

TEST_F(NameSorterTest, AFolderWithoutRoomForRunsIsAnError) {
  NameSorter sorter(dir_ + "/missing", 1);
  EXPECT_FALSE(sorter.Add("a", false));
}

TEST_F(NameSorterTest, NothingIsLeftInTheScratchFolder) {
  Check(100, 10, 3);
  std::filesystem::remove(data_);
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

}  // namespace
}  // namespace pj::plan
