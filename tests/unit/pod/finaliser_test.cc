// The finaliser's pod: it ends a job of which no agent lives, and says why it cannot.
#include "worker/pod/finalise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/fs.h"
#include "pod_world.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The first mini-batch is done at once, the second never.
constexpr char kOneHangs[] = R"(
import os, threading
def run(mini_batch):
    if mini_batch[0].endswith("/001.txt"):
        out = os.environ["AZUREML_BI_OUTPUT_PATH"]
        open(os.path.join(out, "reached"), "w").close()
        threading.Event().wait()
    return [open(path).read() for path in mini_batch]
)";

class FinaliserTest : public testing::Test {
 protected:
  // One mini-batch is committed, all agents are gone, and the job is to end.
  void SetUp() override {
    world_.SetGrace(Millis(100));
    world_.StartOperator();
    world_.StartAgent(0);
    world_.WaitUntil("a call that hangs", [this] {
      return ReadFile(world_.dir() + "/outputs/rows/reached").has_value();
    });
    world_.StopAgent(0);
    EXPECT_EQ(world_.Join(0), job::kExitGone);
    ASSERT_FALSE(RowsFile().empty());
  }
  // The committed rows of the only segment.
  std::string RowsFile() const {
    for (const auto& entry : fs::recursive_directory_iterator(world_.dir() + "/work/segments")) {
      const std::string path = entry.path().string();
      if (path.ends_with(".rows") && fs::file_size(entry.path()) > 0) return path;
    }
    return {};
  }
  Result<int> EndIt(const std::function<void()>& meanwhile) {
    const PodFolders folders = world_.FoldersOf(0);
    Finaliser finaliser({.objects = world_.objects(), .pod_name = "fin", .pod_uid = "uid-9"},
                        folders, &world_.api());
    Result<int> code = -1;
    {
      const std::jthread runs([&] { code = finaliser.Run(); });
      world_.PatchSpec({{"instanceCount", 0}, {"cancel", true}});
      meanwhile();
      if (HasFailure()) finaliser.Stop();
    }
    return code;
  }

  PodWorld world_{2, kOneHangs, {{"instanceCount", 1}}};
};

TEST_F(FinaliserTest, DamageStallsTheJobUntilItIsMended) {
  const std::string file = RowsFile();
  const std::string good = ReadFile(file).value();
  ASSERT_TRUE(WriteFileAtomic(file, std::string(good.size(), '?')));
  const Result<int> code = EndIt([&] {
    world_.WaitUntil("the condition",
                     [this] { return world_.Condition("Stalled") == "LedgerCorrupt"; });
    EXPECT_THAT(world_.Condition("Stalled", "message"), HasSubstr(file));
    EXPECT_FALSE(world_.Outcome());
    EXPECT_TRUE(WriteFileAtomic(file, good));
    world_.WaitUntil("the end", [this] { return world_.State() == "Failed"; });
  });
  EXPECT_EQ(code.value_or(-1), 0);
  EXPECT_EQ(world_.Condition("Stalled"), "Cancelled");
  EXPECT_EQ(ReadFile(world_.dir() + "/outputs/rows/rows.txt.partial").value_or(""), "0\n");
}

TEST_F(FinaliserTest, AnOutputThatCannotBeWrittenIsNamed) {
  const std::string outputs = world_.dir() + "/outputs";
  fs::rename(outputs, outputs + ".away");
  ASSERT_TRUE(WriteFileAtomic(outputs, "no folder"));
  const Result<int> code = EndIt([&] {
    world_.WaitUntil("the condition",
                     [this] { return world_.Condition("Reconciling") == "VolumeUnusable"; });
    EXPECT_THAT(world_.Condition("Reconciling", "message"), HasSubstr(outputs));
    EXPECT_EQ(world_.Condition("Stalled"), "");
    fs::remove(outputs);
    fs::rename(outputs + ".away", outputs);
    world_.WaitUntil("the end", [this] { return world_.State() == "Failed"; });
  });
  EXPECT_EQ(code.value_or(-1), 0);
}

}  // namespace
}  // namespace pj::worker
