#include "cli/job_dir.h"
#include "unit/temp_dir.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pj::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class JobDirTest : public testing::Test {
 protected:
  void Touch(const std::string& name) {
    fs::create_directories(fs::path(root_ + "/" + name).parent_path());
    std::ofstream(root_ + "/" + name) << "x";
  }
  const TempDir temp_;
  const std::string& root_ = temp_.str();
};

TEST_F(JobDirTest, PathsAreAbsoluteAndNormal) {
  const Result<JobDir> dir = JobDir::At(root_ + "/a/../b/");
  ASSERT_TRUE(dir.has_value());
  EXPECT_EQ(dir->root(), root_ + "/b");
  EXPECT_EQ(dir->Outputs(), root_ + "/b/outputs");
}

TEST_F(JobDirTest, APipelinesStepHasItsOwnOutputsAndLogs) {
  const Result<JobDir> dir = JobDir::At(root_, "score");
  ASSERT_TRUE(dir.has_value());
  EXPECT_EQ(dir->Outputs(), root_ + "/steps/score/outputs");
  EXPECT_EQ(dir->Logs(), root_ + "/steps/score/logs");
  EXPECT_EQ(dir->PipelineOutputs(), root_ + "/outputs");
  EXPECT_EQ(dir->StateDb(), root_ + "/state.db");
}

TEST_F(JobDirTest, AFolderWithForeignOutputsIsRefused) {
  Touch("outputs/mine.txt");
  const Status prepared = JobDir::At(root_)->CheckOurs();
  ASSERT_FALSE(prepared.has_value());
  EXPECT_EQ(prepared.error().code, Code::kInvalid);
  EXPECT_THAT(prepared.error().ToString(), HasSubstr("choose another --output"));
  EXPECT_TRUE(fs::exists(root_ + "/outputs/mine.txt"));
}

TEST_F(JobDirTest, AFolderThatCannotBeLookedIntoIsNamed) {
  const std::string name(300, 'x');
  const Result<bool> has = JobDir::At(root_ + "/" + name)->HasState();
  ASSERT_FALSE(has.has_value());
  EXPECT_EQ(has.error().code, Code::kInvalid);
  EXPECT_THAT(has.error().ToString(), HasSubstr(name));
  fs::create_symlink("outputs", root_ + "/outputs");
  EXPECT_THAT(JobDir::At(root_)->CheckOurs().error().ToString(), HasSubstr("/outputs"));
}

TEST_F(JobDirTest, TheStepIsTheOneThatRan) {
  Touch("steps/b/logs/job_result.txt");
  for (const char* name : {"a", "c", "d"}) fs::create_directories(root_ + "/steps/" + name);
  Result<JobDir> dir = JobDir::At(root_);
  dir->FindStep();
  EXPECT_EQ(dir->Logs(), root_ + "/steps/b/logs");
}

TEST_F(JobDirTest, FreshRemovesOnlyWhatIsOursAndOnlyBesideOurState) {
  Touch("outputs/rows.txt");
  Touch("notes.txt");
  ASSERT_TRUE(JobDir::At(root_)->RemoveOurs().has_value());
  EXPECT_TRUE(fs::exists(root_ + "/outputs/rows.txt")) << "no state.db: nothing is ours";
  Touch("state.db");
  ASSERT_TRUE(JobDir::At(root_)->RemoveOurs().has_value());
  EXPECT_FALSE(fs::exists(root_ + "/outputs"));
  EXPECT_FALSE(fs::exists(root_ + "/state.db"));
  EXPECT_TRUE(fs::exists(root_ + "/notes.txt"));
}

TEST_F(JobDirTest, ASecondHolderIsToldTheFirstOnesProcess) {
  const Result<JobDir> dir = JobDir::At(root_);
  Result<DirLock> first = DirLock::Take(*dir);
  ASSERT_TRUE(first.has_value());
  const Result<DirLock> second = DirLock::Take(*dir);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_THAT(second.error().ToString(), HasSubstr(std::to_string(::getpid())));
}

TEST_F(JobDirTest, TheLockGoesWithItsHolder) {
  const Result<JobDir> dir = JobDir::At(root_);
  {
    ASSERT_TRUE(DirLock::Take(*dir).has_value());
  }
  EXPECT_TRUE(DirLock::Take(*dir).has_value());
}

}  // namespace
}  // namespace pj::cli
