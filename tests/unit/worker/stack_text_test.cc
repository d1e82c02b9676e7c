#include "worker/stack_text.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/fs.h"
#include "unit/temp_dir.h"

namespace pj::worker {
namespace {

constexpr char kDump[] =
    "Thread 0x00007f01 (most recent call first):\n"
    "  File \"/usr/lib/python3.11/threading.py\", line 320 in wait\n"
    "\n"
    "Current thread 0x00007f02 (most recent call first):\n"
    "  File \"/tmp/slot0/entry.py\", line 4 in run\n"
    "  File \"/opt/runtime/paralleljob/program.py\", line 50 in call\n"
    "  File \"<string>\", line 1 in <module>\n";
constexpr char kShown[] =
    "Thread 0x00007f01 (most recent call first):\n"
    "  File \"/usr/lib/python3.11/threading.py\", line 320 in wait\n"
    "\n"
    "Current thread 0x00007f02 (most recent call first):\n"
    "  File \"entry.py\", line 4 in run";
constexpr StackPaths kPaths{.code = "/tmp/slot0", .runtime = "/opt/runtime/paralleljob/"};

TEST(StackText, LeavesOurFramesAndTheSlotsCopyOut) { EXPECT_EQ(StackText(kDump, kPaths), kShown); }

TEST(StackText, IsFoundAmongOtherLines) {
  EXPECT_EQ(StackText(std::string("said before\n") + kDump + "said behind\n" + kDump, kPaths),
            kShown);
}

TEST(StackText, IsEmptyWhenNobodyWroteAny) {
  EXPECT_EQ(StackText("", kPaths), "");
  EXPECT_EQ(StackText("Thread 0x1 is ours\n  File \"x\", line 1 in run\n", kPaths), "");
}

TEST(StackText, MayEndInTheMiddleOfALine) {
  EXPECT_EQ(StackText("Current thread 0x1 (most recent call first):\n  File \"a.py\", li", kPaths),
            "Current thread 0x1 (most recent call first):\n  File \"a.py\", li");
}

TEST(StackInLog, ReadsOnlyWhatCameAfter) {
  const TempDir dir;
  const std::string path = dir / "stderr";
  ASSERT_TRUE(WriteFileAtomic(path, kDump));
  const Result<UniqueFd> fd = OpenFile(path, O_RDWR | O_APPEND);
  ASSERT_TRUE(fd);
  const uint64_t from = LogEnd(fd->get());
  EXPECT_EQ(from, sizeof kDump - 1);
  EXPECT_EQ(StackInLog(fd->get(), from, kPaths), "");
  ASSERT_TRUE(WriteAll(fd->get(), kDump, path));
  EXPECT_EQ(StackInLog(fd->get(), from, kPaths), kShown);
}

}  // namespace
}  // namespace pj::worker
