#include "base/made_folder.h"

#include <gtest/gtest.h>

#include "base/fs.h"
#include "unit/temp_dir.h"

namespace pj {
namespace {

TEST(MadeFolder, OfARun) {
  const TempDir dir;
  EXPECT_FALSE(IsMadeFolder(dir.str()));
  ASSERT_TRUE(WriteFileAtomic(dir / "state.db", "somebody's"));
  EXPECT_FALSE(IsMadeFolder(dir.str()));
  ASSERT_TRUE(MakeDirs(dir / ".paralleljob"));
  EXPECT_TRUE(IsMadeFolder(dir.str()));
  ASSERT_TRUE(MakeDirs(dir / "config"));
  ASSERT_TRUE(WriteFileAtomic(dir / "config/.paralleljob", "a file of somebody's"));
  EXPECT_FALSE(IsMadeFolder(dir / "config"));
}

TEST(MadeFolder, OfConvert) {
  const TempDir dir;
  const std::string index = dir / kGitopsIndex;
  ASSERT_TRUE(WriteFileAtomic(index, "# Made by hand\nresources: []\n"));
  EXPECT_FALSE(IsMadeFolder(dir.str()));
  ASSERT_TRUE(WriteFileAtomic(index, std::string(kGitopsMark).substr(0, 20)));
  EXPECT_FALSE(IsMadeFolder(dir.str())) << "cut short";
  ASSERT_TRUE(WriteFileAtomic(index, std::string(kGitopsMark) + "resources: []\n"));
  EXPECT_TRUE(IsMadeFolder(dir.str()));
  ASSERT_TRUE(WriteFileAtomic(dir / "helpers.py", "def clean(): pass\n"));
  EXPECT_FALSE(IsMadeFolder(dir.str())) << "a script may import it";
}

}  // namespace
}  // namespace pj
