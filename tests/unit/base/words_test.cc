#include "base/words.h"

#include <gtest/gtest.h>

#include "base/fs.h"
#include "base/run_folder.h"
#include "unit/temp_dir.h"

namespace pj {
namespace {

TEST(Words, ANumberAgreesWithItsNoun) {
  EXPECT_EQ(Count(0, "file"), "0 files");
  EXPECT_EQ(Count(1, "file"), "1 file");
  EXPECT_EQ(Count(1, "retry"), "1 retry");
  EXPECT_EQ(Count(2, "retry"), "2 retries");
  EXPECT_EQ(Count(3, "mini-batch"), "3 mini-batches");
  EXPECT_EQ(Count(4, "process"), "4 processes");
  EXPECT_EQ(Count(5, "kind of error", "kinds of errors"), "5 kinds of errors");
  EXPECT_EQ(NounFor(1, "slot"), "slot");
}

TEST(RunFolder, HoldsAFolderOfOurs) {
  const TempDir dir;
  EXPECT_FALSE(HoldsRun(dir.str()));
  ASSERT_TRUE(WriteFileAtomic(dir / "state.db", "somebody's"));
  EXPECT_FALSE(HoldsRun(dir.str()));
  ASSERT_TRUE(MakeDirs(dir / ".paralleljob"));
  EXPECT_TRUE(HoldsRun(dir.str()));
  ASSERT_TRUE(MakeDirs(dir / "config"));
  ASSERT_TRUE(WriteFileAtomic(dir / "config/.paralleljob", "a file of somebody's"));
  EXPECT_FALSE(HoldsRun(dir / "config"));
}

}  // namespace
}  // namespace pj
