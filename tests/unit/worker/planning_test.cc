#include "worker/planning.h"
#include "unit/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace pj::worker {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Unit = api::MiniBatchSize::Unit;

constexpr char kTable[] = "paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited: {}\n";

class PlanningTest : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(dir_ + "/a.csv") << "h\n1\n"; }

  void PutMltable(const std::string& text) { std::ofstream(dir_ + "/MLTable") << text; }
  api::ParallelJobSpec Spec(api::DataType type) const {
    api::ParallelJobSpec spec;
    api::Input input;
    input.name = "data";
    input.type = type;
    spec.inputs = {input};
    spec.input_data = {"data"};
    return spec;
  }
  bool TimesAreUnknown(const std::string& volume) {
    api::ParallelJobSpec spec = Spec(api::DataType::kUriFolder);
    spec.inputs[0].volume = volume;
    return Make(spec)->sources[0].unknown_times;
  }
  Result<plan::PlanRequest> Make(const api::ParallelJobSpec& spec, bool azure = false) {
    return MakePlanRequest(spec, {{"data", dir_}}, {.azure = azure}, &warnings_);
  }
  std::string ErrorOf(const api::ParallelJobSpec& spec) {
    auto request = Make(spec);
    return request ? "" : request.error().ToString();
  }

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
  std::vector<std::string> warnings_;
};

TEST_F(PlanningTest, AFolderIsAListOfTenFilesEach) {
  auto request = Make(Spec(api::DataType::kUriFolder));
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(request->unit, plan::PlanRequest::SizeUnit::kFiles);
  EXPECT_EQ(request->size, 10u);
  EXPECT_EQ(request->sources[0].root, dir_);
  EXPECT_FALSE(request->sources[0].table);
}

TEST_F(PlanningTest, FilesThatAKubeletWritesHaveNoTimes) {
  EXPECT_TRUE(TimesAreUnknown(R"({"configMap":{"name":"a"}})"));
  EXPECT_TRUE(TimesAreUnknown(R"({"projected":{"sources":[]}})"));
  EXPECT_TRUE(TimesAreUnknown(R"({"secret":{"secretName":"a"}})"));
  EXPECT_FALSE(TimesAreUnknown(R"({"persistentVolumeClaim":{"claimName":"a"}})"));
  EXPECT_FALSE(TimesAreUnknown(""));
}

TEST_F(PlanningTest, ATableIsSplitByOneMegabyte) {
  PutMltable(kTable);
  auto request = Make(Spec(api::DataType::kMltable));
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(request->unit, plan::PlanRequest::SizeUnit::kBytes);
  EXPECT_EQ(request->size, 1u << 20);
  ASSERT_TRUE(request->sources[0].table);
  auto plan = plan::BuildPlan(*request, dir_ + "/.plan");
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ((*plan)->total_items(), 1u);
}

TEST_F(PlanningTest, TheMltableFileIsNoData) {
  PutMltable("paths:\n  - folder: ./\n");
  auto request = Make(Spec(api::DataType::kMltable));
  ASSERT_TRUE(request) << request.error().ToString();
  auto plan = plan::BuildPlan(*request, dir_ + "/.plan");
  ASSERT_TRUE(plan) << plan.error().ToString();
  EXPECT_EQ((*plan)->total_items(), 1u);
}

TEST_F(PlanningTest, UnitsMustFitTheKindInAManifest) {
  api::ParallelJobSpec list = Spec(api::DataType::kUriFolder);
  list.mini_batch_size = {Unit::kBytes, 10'240};
  EXPECT_THAT(ErrorOf(list), HasSubstr("list of files"));
  PutMltable(kTable);
  api::ParallelJobSpec table = Spec(api::DataType::kMltable);
  table.mini_batch_size = {Unit::kFiles, 100};
  EXPECT_THAT(ErrorOf(table), HasSubstr("write 100b, 100kb or 100rows"));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PlanningTest, AzureTakesTheNumberAndWarns) {
  api::ParallelJobSpec list = Spec(api::DataType::kUriFolder);
  list.mini_batch_size = {Unit::kBytes, 10'240};
  auto files = Make(list, true);
  ASSERT_TRUE(files);
  EXPECT_EQ(files->size, 10'240u);
  EXPECT_EQ(files->unit, plan::PlanRequest::SizeUnit::kFiles);
  PutMltable(kTable);
  api::ParallelJobSpec table = Spec(api::DataType::kMltable);
  table.mini_batch_size = {Unit::kFiles, 100};
  auto bytes = Make(table, true);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->unit, plan::PlanRequest::SizeUnit::kBytes);
  EXPECT_THAT(warnings_, SizeIs(2));
}

TEST_F(PlanningTest, KeysReplaceTheSize) {
  PutMltable(kTable);
  api::ParallelJobSpec spec = Spec(api::DataType::kMltable);
  spec.partition_keys = {"h"};
  auto request = Make(spec);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->partition_keys, std::vector<std::string>{"h"});
}

TEST_F(PlanningTest, WrongInputsSayWhatToDo) {
  EXPECT_THAT(ErrorOf(Spec(api::DataType::kMltable)), HasSubstr("no MLTable file"));
  EXPECT_THAT(ErrorOf(Spec(api::DataType::kUriFile)), HasSubstr("uri_folder"));
  EXPECT_THAT(ErrorOf(Spec(api::DataType::kLiteral)), HasSubstr("cannot be split"));
  PutMltable("paths:\n  - file: ./a\ntransformations:\n  - read_parquet: {}\n  - filter: x\n");
  const std::string error = ErrorOf(Spec(api::DataType::kMltable));
  EXPECT_THAT(error, HasSubstr("read_parquet is not supported yet"));
  EXPECT_THAT(error, HasSubstr("filter is not supported yet"));
  api::ParallelJobSpec spec = Spec(api::DataType::kUriFolder);
  spec.input_data = {"other"};
  EXPECT_THAT(ErrorOf(spec), HasSubstr("no input other"));
}

TEST_F(PlanningTest, KeysOfSeveralInputsAreToldToStayApart) {
  PutMltable(kTable);
  api::ParallelJobSpec spec = Spec(api::DataType::kMltable);
  spec.partition_keys = {"a"};
  ASSERT_TRUE(Make(spec));
  EXPECT_THAT(warnings_, IsEmpty());
  spec.inputs.push_back(spec.inputs[0]);
  spec.inputs.back().name = "more";
  spec.input_data = {"data", "more"};
  ASSERT_TRUE(MakePlanRequest(spec, {{"data", dir_}, {"more", dir_}}, {}, &warnings_));
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("never spans two of them")));
}

TEST_F(PlanningTest, KindsDoNotMix) {
  PutMltable(kTable);
  api::ParallelJobSpec spec = Spec(api::DataType::kMltable);
  api::Input list;
  list.name = "list";
  list.type = api::DataType::kUriFolder;
  spec.inputs.push_back(list);
  spec.input_data = {"data", "list"};
  auto request = MakePlanRequest(spec, {{"data", dir_}, {"list", dir_}});
  ASSERT_FALSE(request);
  EXPECT_THAT(request.error().ToString(), HasSubstr("together"));
}

}  // namespace
}  // namespace pj::worker
