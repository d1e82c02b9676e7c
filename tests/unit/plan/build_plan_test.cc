#include <gmock/gmock.h>

#include "plan_fixture.h"

namespace pj::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Unit = PlanRequest::SizeUnit;
using Strings = std::vector<std::string>;

class BuildPlanTest : public PlanFixture {};

TEST_F(BuildPlanTest, FileListByCountCrossesFolders) {
  for (const char* name : {"b/2", "a.txt", "a/1", "c"}) Put(name, "xy");
  Put("empty", "");
  auto plan = Build(Files(2));
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ((*plan)->size(), 3u);
  EXPECT_EQ((*plan)->total_items(), 5u);
  EXPECT_EQ((*plan)->schema(), nullptr);
  EXPECT_THAT(Names(**plan, 0), ElementsAre("a.txt", "a/1"));
  EXPECT_THAT(Names(**plan, 1), ElementsAre("b/2", "c"));
  EXPECT_THAT(Names(**plan, 2), ElementsAre("empty"));
  EXPECT_EQ(*(*plan)->Items(1), 2u);
  EXPECT_EQ((*plan)->Get(0)->files[0].size, 2u);
  EXPECT_GT((*plan)->Get(0)->files[0].mtime_ns, 0);
  EXPECT_EQ((*plan)->Get(2)->source, "data");
  EXPECT_FALSE((*plan)->Get(3));
}

TEST_F(BuildPlanTest, MiniBatchesDoNotMixInputs) {
  Put("x/1", "");
  Put("x/2", "");
  Put("y/1", "");
  PlanRequest request = Files(10);
  request.sources.push_back(Source());
  request.sources[0].root += "/x";
  request.sources[1].root += "/y/1";
  request.sources[1].input_name = "more";
  auto plan = Build(request);
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_THAT(Names(**plan, 0), ElementsAre("x/1", "x/2"));
  EXPECT_THAT(Names(**plan, 1), ElementsAre("y/1"));
  EXPECT_EQ((*plan)->Get(1)->source, "more");
}

TEST_F(BuildPlanTest, TableBySizeTakesRecordsWhileTheyFit) {
  Put("a.csv", "h,i\n1,2\n3,4\n55,66\n7,8");
  auto plan = Build(Table(Unit::kBytes, 8));
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_THAT(Texts(**plan), ElementsAre("1,2\n3,4\n", "55,66\n", "7,8"));
  EXPECT_EQ((*plan)->total_items(), 4u);
  const TableSchema* schema = (*plan)->schema();
  ASSERT_NE(schema, nullptr);
  EXPECT_THAT(schema->columns,
              ElementsAre(Column{"h", ColumnType::kInteger}, Column{"i", ColumnType::kInteger}));
}

TEST_F(BuildPlanTest, ARecordLongerThanTheSizeStandsAlone) {
  Put("a.csv", "h\n1\naaaaaaaaaaaaaaaa\n2\n");
  auto plan = Build(Table(Unit::kBytes, 4));
  ASSERT_TRUE(plan);
  EXPECT_THAT(Texts(**plan), ElementsAre("1\n", "aaaaaaaaaaaaaaaa\n", "2\n"));
}

TEST_F(BuildPlanTest, RangesNeverCrossFiles) {
  Put("a.csv", "h\n1\n2\n");
  Put("b.csv", "h\n3\n");
  Put("c.csv", "h\n");
  Put("d.csv", "");
  auto plan = Build(Table(Unit::kBytes, 1 << 20));
  ASSERT_TRUE(plan);
  EXPECT_THAT(Texts(**plan), ElementsAre("1\n2\n", "3\n"));
}

TEST_F(BuildPlanTest, TableByRows) {
  std::string text = "h\n";
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + "\n";
  Put("a.csv", text);
  auto plan = Build(Table(Unit::kRows, 500));
  ASSERT_TRUE(plan);
  EXPECT_EQ((*plan)->size(), 200u);
  EXPECT_EQ(*(*plan)->Items(199), 500u);
  EXPECT_TRUE(TextOf(*(*plan)->Get(7)).starts_with("3500\n"));
}

TEST_F(BuildPlanTest, QuotedNewlinesStayTogetherOnlyWithMultiLine) {
  Put("a.csv", "h,i\n\"a\nb\",1\nc,2\n");
  auto lines = Build(Table(Unit::kRows, 1));
  ASSERT_TRUE(lines);
  EXPECT_EQ((*lines)->size(), 3u);
  auto records = Build(Table(Unit::kRows, 1, {.support_multi_line = true}));
  ASSERT_TRUE(records);
  EXPECT_THAT(Texts(**records), ElementsAre("\"a\nb\",1\n", "c,2\n"));
}

TEST_F(BuildPlanTest, HeaderModes) {
  Put("a.csv", "x,y\n1,2\n");
  Put("b.csv", "y,x\n3,4\n");
  auto none = Build(Table(Unit::kRows, 9, {.header = HeaderMode::kNoHeader}));
  ASSERT_TRUE(none);
  EXPECT_THAT(Texts(**none), ElementsAre("x,y\n1,2\n", "y,x\n3,4\n"));
  EXPECT_EQ((*none)->schema()->columns[1].name, "Column2");
  auto first = Build(Table(Unit::kRows, 9, {.header = HeaderMode::kFromFirstFile}));
  ASSERT_TRUE(first);
  EXPECT_THAT(Texts(**first), ElementsAre("1,2\n", "y,x\n3,4\n"));
  auto different = Build(Table(Unit::kRows, 9, {.header = HeaderMode::kAllFilesDifferentHeaders}));
  ASSERT_TRUE(different);
  EXPECT_EQ((*different)->Get(1)->ranges[0].header, 1u);
  EXPECT_EQ((*different)->schema()->headers[1][0].name, "y");
  EXPECT_THAT(ErrorOf(Table(Unit::kRows, 9)), HasSubstr("another order"));
}

TEST_F(BuildPlanTest, EmptyInputIsAnError) {
  EXPECT_THAT(ErrorOf(Files(1)), HasSubstr("EmptyInput: no files in input data"));
  Put("a.csv", "h\n\n  \n");
  EXPECT_THAT(ErrorOf(Table(Unit::kBytes, 9)), HasSubstr("EmptyInput: no records"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/plan"));
}

TEST_F(BuildPlanTest, UnitsMustFitTheKind) {
  Put("a", "1");
  EXPECT_THAT(ErrorOf(Table(Unit::kFiles, 9)), HasSubstr("not by files"));
  PlanRequest files = Files(1);
  files.unit = Unit::kBytes;
  EXPECT_THAT(ErrorOf(files), HasSubstr("number of files"));
  EXPECT_THAT(ErrorOf(Files(0)), HasSubstr("size 0"));
  EXPECT_THAT(ErrorOf(Table(Unit::kRows, 9, {.delimiter = '"'})), HasSubstr("delimiter"));
  EXPECT_THAT(ErrorOf(Table(Unit::kRows, 9, {.encoding = "utf7"})), HasSubstr("utf8bom"));
}

TEST_F(BuildPlanTest, ThePlanIsReproducible) {
  for (int i = 0; i < 50; ++i) Put("f" + std::to_string(i), "x");
  const std::string first = (*Build(Files(3)))->hash();
  const std::string paths = (*Build(Files(3)))->paths_hash();
  EXPECT_EQ((*Build(Files(3)))->hash(), first);
  EXPECT_NE((*Build(Files(4)))->hash(), first);
  EXPECT_EQ(*HashInputPaths(Files(4)), paths);
  Put("f7", "changed");
  EXPECT_NE((*Build(Files(3)))->hash(), first);
  EXPECT_EQ((*Build(Files(3)))->paths_hash(), paths);
  Put("f50", "x");
  EXPECT_NE(*HashInputPaths(Files(3)), paths);
}

}  // namespace
}  // namespace pj::plan
