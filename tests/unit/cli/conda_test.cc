#include "cli/conda.h"

#include <gmock/gmock.h>

namespace pj::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(CondaFile, ReadsBothKindsOfDependencies) {
  const Result<CondaFile> file = ParseCondaFile(
      "name: x\nchannels: [conda-forge]\ndependencies:\n  - python=3.11  # pinned\n"
      "  - conda-forge::scipy>=1.10\n  - pip\n  - pip: [\"numpy>=1.20 # not a comment\", six]\n",
      "conda.yml");
  ASSERT_TRUE(file) << file.error().ToString();
  EXPECT_EQ(file->python_pin, "=3.11");
  EXPECT_THAT(file->packages, ElementsAre("conda-forge::scipy>=1.10"));
  EXPECT_THAT(file->pip, ElementsAre("numpy>=1.20 # not a comment", "six"));
}

TEST(CondaFile, ReadsJsonAndEmptyFiles) {
  EXPECT_THAT(ParseCondaFile(R"({"dependencies":["python >=3.9",{"pip":["six"]}]})", "")->pip,
              ElementsAre("six"));
  EXPECT_THAT(ParseCondaFile("dependencies:\n", "")->packages, IsEmpty());
  EXPECT_THAT(ParseCondaFile("", "")->packages, IsEmpty());
}

TEST(CondaFile, NamesThePlaceOfWhatIsWrong) {
  for (const char* text :
       {"dependencies: numpy\n", "dependencies:\n  - [a]\n", "dependencies:\n  - pip: six\n",
        "dependencies:\n  - npm: [x]\n", "- a\n", "dependencies: [\n"}) {
    const Result<CondaFile> file = ParseCondaFile(text, "conda.yml");
    ASSERT_FALSE(file) << text;
    EXPECT_THAT(file.error().ToString(), HasSubstr("conda.yml:")) << text;
  }
}

TEST(CondaFile, ComparesVersionsAsCondaDoes) {
  const auto fits = [](const char* pin) { return SatisfiesPin("3.11.2", pin); };
  for (const char* pin : {"", "=3", "=3.11", "==3.11.2", "=3.11.*", ">=3.8", ">=3.8,<3.12",
                          "<=3.11", "~=3.9", "!=3.10", "=3.8|=3.11", " 3.11", "=3.11=h12_0"}) {
    EXPECT_TRUE(fits(pin)) << pin;
  }
  for (const char* pin : {"=3.1", "=3.12", "=2", ">=3.12", "<3.11", ">3.11", ">=3.8,<3.10",
                          "~=3.10.1", "!=3.11", "=3.8|=3.9"}) {
    EXPECT_FALSE(fits(pin)) << pin;
  }
}

}  // namespace
}  // namespace pj::cli
