#include "cli/scratch.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "unit/temp_dir.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

class ScratchTest : public testing::Test {
 protected:
  ~ScratchTest() override { ::unsetenv("TMPDIR"); }
  static std::string Made(const char* tmpdir) {
    ::setenv("TMPDIR", tmpdir, 1);
    const Result<std::string> made = MakeScratchFolder("paralleljob-test-");
    if (!made) return made.error().ToString();
    EXPECT_TRUE(fs::remove(*made)) << "a folder of its own";
    return fs::path(*made).parent_path();
  }
};

TEST_F(ScratchTest, TheFolderLiesInTmpdirAndIsAbsolute) {
  const TempDir temp;
  EXPECT_EQ(Made(temp.str().c_str()), temp.str());
  EXPECT_EQ(Made("."), fs::current_path());
}

TEST_F(ScratchTest, AnEmptyTmpdirIsNone) { EXPECT_EQ(Made(""), "/tmp"); }

TEST_F(ScratchTest, AFolderThatIsNotThereIsNamed) {
  EXPECT_NE(Made("/no/such").find("/no/such"), std::string::npos);
  EXPECT_NE(Made("/no/such").find("set TMPDIR"), std::string::npos);
}

}  // namespace
}  // namespace pj::cli
