#include <gmock/gmock.h>

#include <map>

#include "base/rng.h"
#include "plan/key_groups.h"
#include "plan/path_format.h"
#include "plan_fixture.h"

namespace pj::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Unit = PlanRequest::SizeUnit;

class KeysTest : public PlanFixture {
 protected:
  PlanRequest ByKeys(std::vector<std::string> keys, const std::string& format = {},
                     const DelimitedOptions& options = {}) const {
    PlanRequest request = Table(Unit::kBytes, 1, options);
    request.partition_keys = std::move(keys);
    request.sources[0].partition_format = format;
    return request;
  }
};

TEST_F(KeysTest, UnsortedRowsAreGroupedAndNeighboursMerged) {
  Put("a.csv", "k,v\nx,1\nx,2\ny,3\nx,4\n");
  Put("b.csv", "k,v\ny,5\n");
  auto plan = Build(ByKeys({"k"}));
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_THAT(Texts(**plan), ElementsAre("x,1\nx,2\nx,4\n", "y,3\ny,5\n"));
  auto first = (*plan)->Get(0);
  EXPECT_THAT(first->keys, ElementsAre(Pair("k", "x")));
  EXPECT_EQ(first->ranges.size(), 2u);
  EXPECT_EQ(first->items, 3u);
}

TEST_F(KeysTest, QuotedEmptyAndMissingKeys) {
  Put("a.csv", "v,k\n1,\"a,\"\"b\n\"\n2,\n3\n4,\"\"\n");
  auto plan = Build(ByKeys({"k"}, {}, {.support_multi_line = true}));
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_EQ((*plan)->size(), 2u);
  EXPECT_THAT((*plan)->Get(0)->keys, ElementsAre(Pair("k", "a,\"b\n")));
  EXPECT_THAT((*plan)->Get(1)->keys, ElementsAre(Pair("k", "")));
  EXPECT_EQ(*(*plan)->Items(1), 3u);
}

TEST_F(KeysTest, PathKeysGroupWholeFilesInTheOrderOfTheKeys) {
  for (const char* store : {"S1", "S2"}) {
    for (const char* brand : {"a", "b"}) {
      for (int part = 0; part < 2; ++part) {
        Put(std::string(store) + "/" + brand + "/p" + std::to_string(part) + ".csv", "v\n1\n2\n");
      }
    }
  }
  const std::string format = "{Store}/{Brand}/{file_name}.{extension}";
  auto plan = Build(ByKeys({"Brand", "Store"}, format));
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ((*plan)->size(), 4u);
  EXPECT_THAT((*plan)->Get(1)->keys, ElementsAre(Pair("Brand", "b"), Pair("Store", "S1")));
  EXPECT_EQ((*plan)->Get(1)->ranges.size(), 2u);
  EXPECT_EQ(*(*plan)->Items(1), 4u);
  EXPECT_THAT((*plan)->schema()->path_columns,
              ElementsAre("Store", "Brand", "file_name", "extension"));
  auto subset = Build(ByKeys({"Store"}, format));
  ASSERT_TRUE(subset);
  EXPECT_EQ((*subset)->size(), 2u);
  auto mixed = Build(ByKeys({"v", "Store"}, format));
  ASSERT_TRUE(mixed);
  EXPECT_EQ((*mixed)->size(), 4u);
  EXPECT_THAT((*mixed)->Get(0)->keys, ElementsAre(Pair("v", "1"), Pair("Store", "S1")));
}

TEST_F(KeysTest, FileListsByPathKeys) {
  for (const char* name : {"u1/w/a.wav", "u1/s/a.wav", "u2/s/a.wav", "u2/s/b.wav"}) Put(name, "");
  PlanRequest request = Files(1);
  request.partition_keys = {"user"};
  request.sources[0].partition_format = "{user}/{season}/{name}.wav";
  auto plan = Build(request);
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_THAT(Names(**plan, 0), ElementsAre("u1/s/a.wav", "u1/w/a.wav"));
  EXPECT_THAT(Names(**plan, 1), ElementsAre("u2/s/a.wav", "u2/s/b.wav"));
}

TEST_F(KeysTest, MistakesNameWhatThereIs) {
  Put("x/a.csv", "k,v\nx,1\n");
  EXPECT_THAT(ErrorOf(ByKeys({"kk"})), HasSubstr("use one of: k, v"));
  EXPECT_THAT(ErrorOf(ByKeys({"k"}, "{a}/{b}/{c}.tsv")), HasSubstr("x/a.csv"));
  PlanRequest files = Files(1);
  files.partition_keys = {"k"};
  EXPECT_THAT(ErrorOf(files), HasSubstr("extract_columns_from_partition_format"));
}

TEST_F(KeysTest, AGroupIsTheSameAsByBruteForce) {
  Rng rng(3);
  std::map<std::string, std::string> expected;
  std::string text = "k,v\n";
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = std::to_string(rng.Below(40));
    const std::string row = key + "," + std::to_string(i) + (rng.Below(2) == 0 ? "\n" : "\r\n");
    text += row;
    expected[key] += row;
  }
  Put("a.csv", text);
  auto plan = Build(ByKeys({"k"}));
  ASSERT_TRUE(plan);
  ASSERT_EQ((*plan)->size(), expected.size());
  for (uint64_t i = 0; i < (*plan)->size(); ++i) {
    auto mini_batch = (*plan)->Get(i);
    EXPECT_EQ(TextOf(*mini_batch), expected[mini_batch->keys[0].second]);
  }
}

TEST_F(KeysTest, PiecesThatWentToDiskComeBack) {
  const std::string file = dir_ + "/spilled";
  auto writer = PlanWriter::Create(file);
  ASSERT_TRUE(writer);
  KeyGroups groups(dir_, 64);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE((*writer)->AddFile({"/f" + std::to_string(i), 1, 2}));
    std::string packed;
    PackKey(std::to_string(i % 7), &packed);
    ASSERT_TRUE(groups.AddFiles(groups.Find(packed), static_cast<uint64_t>(i), 1));
  }
  ASSERT_TRUE(groups.Write(0, writer->get()));
  PlanMeta meta;
  meta.sources = {"data"};
  meta.keys = {"k"};
  ASSERT_TRUE((*writer)->Finish(meta));
  auto plan = OpenPlan(file);
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_EQ((*plan)->size(), 7u);
  auto third = (*plan)->Get(3);
  ASSERT_TRUE(third) << third.error().ToString();
  EXPECT_EQ(third->items, 43u);
  EXPECT_EQ(third->files[42].path, "/f297");
}

TEST(PathFormat, DatesAndLiterals) {
  auto format = PathFormat::Parse("/logs/{day:yyyy/MM/dd}/{name}.v1.csv");
  ASSERT_TRUE(format) << format.error().ToString();
  EXPECT_THAT(*format->Match("/data/logs/2026/01/31/a.b.v1.csv"), ElementsAre("2026/01/31", "a.b"));
  EXPECT_FALSE(format->Match("/data/logs/2026/1/31/a.v1.csv"));
  EXPECT_FALSE(format->Match("/data/logs/2026/01/31/aXv1Xcsv"));
  EXPECT_FALSE(PathFormat::Parse("{day:yyyy/QQ}"));
  EXPECT_FALSE(PathFormat::Parse("{a}/{a}"));
  EXPECT_FALSE(PathFormat::Parse("{a"));
  EXPECT_FALSE(PathFormat::Parse("a}"));
  EXPECT_FALSE(PathFormat::Parse("plain.csv"));
  EXPECT_FALSE(PathFormat::Parse("{a}" + std::string(2000, 'x')));
}

TEST(PathFormat, ColumnsAreTakenFromTheEnd) {
  auto format = PathFormat::Parse("{Store}/{file_name}.{extension}");
  ASSERT_TRUE(format);
  EXPECT_THAT(*format->Match("/deep/er/S1/a.b.csv"), ElementsAre("S1", "a.b", "csv"));
  EXPECT_THAT(*format->Match("/S\n1/\xFF.csv"), ElementsAre("S\n1", "\xFF", "csv"));
}

}  // namespace
}  // namespace pj::plan
