#include "plan/walk.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/rng.h"
#include "plan/glob.h"
#include "plan_fixture.h"

namespace pj::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = PathSpec::Kind;

class WalkTest : public PlanFixture {
 protected:
  std::vector<std::string> Walk(const std::vector<PathSpec>& paths = {}) {
    SourceSpec source = Source();
    source.paths = paths;
    return Walk(source);
  }
  std::vector<std::string> Walk(const SourceSpec& source) {
    std::vector<std::string> out;
    const Status walked = WalkSource(source, dir_, [&](const FileRef& file) -> Status {
      out.push_back(file.path.substr(std::min(file.path.size(), data_.size() + 1)));
      return {};
    });
    error_ = walked ? "" : walked.error().ToString();
    return out;
  }
  std::string error_;
};

TEST_F(WalkTest, PathsAreSortedBytewiseOverFolders) {
  const char* alphabet[] = {"a", "b", "-", ".x", "0", "\xC3\xA4", "a\n", "zz"};
  Rng rng(11);
  std::vector<std::string> expected;
  for (int i = 0; i < 400; ++i) {
    std::string name;
    for (uint64_t depth = 0, end = 1 + rng.Below(3); depth < end; ++depth) {
      if (depth > 0) name += "/";
      name += "n";
      for (uint64_t k = rng.Below(4); k > 0; --k) name += alphabet[rng.Below(std::size(alphabet))];
    }
    std::error_code error;
    const std::string path = data_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    if (error || std::filesystem::is_directory(path)) continue;
    std::ofstream out(path);
    if (out) expected.push_back(name);
  }
  std::sort(expected.begin(), expected.end());
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  EXPECT_EQ(Walk(), expected);
  EXPECT_EQ(error_, "");
}

TEST_F(WalkTest, HiddenNamesOnlyWhereTheyAreNamed) {
  for (const char* name : {".hidden", ".dir/x", "a", "d/.y"}) Put(name, "");
  EXPECT_THAT(Walk(), ElementsAre("a"));
  EXPECT_THAT(Walk({{Kind::kFile, ".hidden"}, {Kind::kPattern, "**/.y"}, {Kind::kFolder, ".dir"}}),
              ElementsAre(".dir/x", ".hidden", "d/.y"));
}

TEST_F(WalkTest, PatternsFilesAndFoldersOverlapWithoutDoubles) {
  for (const char* name : {"a.csv", "b.txt", "s/a.csv", "s/t/a.csv", "s/t/b1.csv", "u/c"}) {
    Put(name, "");
  }
  EXPECT_THAT(Walk({{Kind::kPattern, "./*.csv"}}), ElementsAre("a.csv"));
  EXPECT_THAT(Walk({{Kind::kPattern, "**/*.csv"}}),
              ElementsAre("a.csv", "s/a.csv", "s/t/a.csv", "s/t/b1.csv"));
  EXPECT_THAT(Walk({{Kind::kPattern, "s/**"}, {Kind::kFile, "./s/a.csv"}, {Kind::kFolder, "u"}}),
              ElementsAre("s/a.csv", "s/t/a.csv", "s/t/b1.csv", "u/c"));
  EXPECT_THAT(Walk({{Kind::kPattern, "s/?/[a-b]1.csv"}}), ElementsAre("s/t/b1.csv"));
  EXPECT_THAT(Walk({{Kind::kPattern, data_ + "/s/../*.txt"}}), ElementsAre("b.txt"));
  EXPECT_THAT(Walk({{Kind::kPattern, "u"}}), ElementsAre("u/c"));
}

TEST_F(WalkTest, AFileDoesNotCoverWhatBeginsWithItsName) {
  for (const char* name : {"a", "a.d/x", "a.d/y", "ab", "b/c", "b/cd"}) Put(name, "");
  EXPECT_THAT(Walk({{Kind::kFile, "./a"}, {Kind::kFile, "./ab"}}), ElementsAre("a", "ab"));
  EXPECT_THAT(Walk({{Kind::kFile, "a"}, {Kind::kFolder, "a.d"}}),
              ElementsAre("a", "a.d/x", "a.d/y"));
  EXPECT_THAT(Walk({{Kind::kFile, "a"}, {Kind::kPattern, "a.d/*"}}),
              ElementsAre("a", "a.d/x", "a.d/y"));
  EXPECT_THAT(Walk({{Kind::kFile, "ab"}, {Kind::kFile, "a"}, {Kind::kFile, "./a"}}),
              ElementsAre("a", "ab"));
  EXPECT_THAT(Walk({{Kind::kFolder, "b"}, {Kind::kFile, "b/c"}, {Kind::kFile, "b/cd"}}),
              ElementsAre("b/c", "b/cd"));
}

TEST_F(WalkTest, NamesWithGlobCharactersAreFoundLiterally) {
  Put("a[1].csv", "");
  Put("a1.csv", "");
  EXPECT_THAT(Walk({{Kind::kFile, "a[1].csv"}}), ElementsAre("a[1].csv"));
  EXPECT_THAT(Walk({{Kind::kPattern, "a[1].csv"}}), ElementsAre("a1.csv"));
}

TEST_F(WalkTest, LinksAreFollowedAndLoopsCut) {
  Put("d/x", "12");
  std::filesystem::create_symlink("d/x", data_ + "/link");
  std::filesystem::create_symlink("..", data_ + "/d/up");
  std::filesystem::create_symlink("d", data_ + "/e");
  EXPECT_THAT(Walk(), ElementsAre("d/x", "e/x", "link"));
  EXPECT_EQ(error_, "");
}

TEST_F(WalkTest, WhatIsNoDataIsAnError) {
  std::filesystem::create_symlink("nowhere", data_ + "/link");
  Walk();
  EXPECT_THAT(error_, HasSubstr("leads nowhere"));
  std::filesystem::remove(data_ + "/link");
  ASSERT_EQ(mkfifo((data_ + "/pipe").c_str(), 0600), 0);
  Walk();
  EXPECT_THAT(error_, HasSubstr("a FIFO is no input data"));
  Walk({{Kind::kFile, "pipe"}});
  EXPECT_THAT(error_, HasSubstr("a FIFO"));
  std::filesystem::remove(data_ + "/pipe");
  std::filesystem::create_symlink("/dev/null", data_ + "/null");
  Walk();
  EXPECT_THAT(error_, HasSubstr("a device"));
  std::filesystem::remove(data_ + "/null");
  std::filesystem::create_symlink("self", data_ + "/self");
  Walk();
  EXPECT_THAT(error_, HasSubstr("/data/self"));
}

TEST_F(WalkTest, MissingAndMistakenPaths) {
  Put("f", "");
  Walk({{Kind::kFile, "nope"}});
  EXPECT_THAT(error_, HasSubstr("data/nope"));
  Walk({{Kind::kFolder, "f"}});
  EXPECT_THAT(error_, HasSubstr("not a folder"));
  Walk({{Kind::kFile, "."}});
  EXPECT_THAT(error_, HasSubstr("is a folder"));
  Walk({{Kind::kPattern, "nope/*.csv"}});
  EXPECT_THAT(error_, HasSubstr("data/nope"));
  SourceSpec source = Source();
  source.root = data_ + "/missing";
  Walk(source);
  EXPECT_THAT(error_, HasSubstr("missing"));
  EXPECT_THAT(Walk({{Kind::kPattern, "*.none"}}), ElementsAre());
  EXPECT_EQ(error_, "");
}

TEST_F(WalkTest, TimesThatDifferByReaderAreLeftOut) {
  std::ofstream(data_ + "/a").flush();
  for (const bool unknown : {false, true}) {
    for (const std::string& root : {data_, data_ + "/a"}) {
      SourceSpec source = Source();
      source.root = root;
      source.unknown_times = unknown;
      ASSERT_TRUE(WalkSource(source, dir_, [&](const FileRef& file) -> Status {
        EXPECT_EQ(file.mtime_ns == 0, unknown) << file.path;
        return {};
      }));
    }
  }
}

TEST_F(WalkTest, ExcludedAndManyFiles) {
  std::vector<std::string> expected;
  for (int i = 0; i < 4'200; ++i) {
    expected.push_back("f" + std::to_string(i));
    std::ofstream(data_ + "/" + expected.back()).flush();
  }
  std::sort(expected.begin(), expected.end());
  expected.erase(std::find(expected.begin(), expected.end(), "f77"));
  SourceSpec source = Source();
  source.exclude = {data_ + "/f77"};
  EXPECT_EQ(Walk(source), expected);
}

TEST_F(WalkTest, FoldersOfRunsAreNoDataUnlessTheyAreTheInput) {
  std::filesystem::create_directories(data_ + "/out/.paralleljob");
  for (const char* name : {"a", "out/.paralleljob/lock", "out/rows", "out.txt"}) {
    std::ofstream(data_ + "/" + name).flush();
  }
  std::filesystem::create_directories(data_ + "/fetched/.paralleljob");
  std::ofstream(data_ + "/fetched/rows").flush();
  EXPECT_THAT(Walk(), ElementsAre("a", "out.txt"));
  data_ += "/out";
  EXPECT_THAT(Walk(), ElementsAre("rows"));
}

TEST_F(WalkTest, FoldersNestedTooDeepAreAnError) {
  std::string path = data_;
  for (int i = 0; i < 600; ++i) path += "/d";
  std::filesystem::create_directories(path);
  std::ofstream(path + "/f") << "x";
  Walk();
  EXPECT_THAT(error_, HasSubstr("nested deeper"));
}

TEST(Glob, Characters) {
  EXPECT_TRUE(GlobMatch("*.csv", "a.csv"));
  EXPECT_TRUE(GlobMatch("?.csv", "\xC3\xA4.csv"));
  EXPECT_TRUE(GlobMatch("[\xC3\xA4-\xC3\xBC]", "\xC3\xB6"));
  EXPECT_TRUE(GlobMatch("[!a]", "b"));
  EXPECT_FALSE(GlobMatch("[!a]", "a"));
  EXPECT_TRUE(GlobMatch("[]]", "]"));
  EXPECT_TRUE(GlobMatch("[a", "[a"));
  EXPECT_TRUE(GlobMatch("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(GlobMatch("a*b", "ab1"));
  EXPECT_TRUE(GlobMatch("", ""));
  EXPECT_TRUE(GlobMatch("?", "\xFF"));
}

TEST(Glob, NoPatternExplodes) {
  std::string glob;
  for (int i = 0; i < 100; ++i) glob += "a*";
  EXPECT_FALSE(GlobMatch(glob + "b", std::string(2'000, 'a')));
  GlobSet set;
  std::vector<std::string> deep;
  for (int i = 0; i < 50; ++i) deep.insert(deep.end(), {"**", "a"});
  deep.push_back("b");
  set.AddPattern(deep);
  GlobSet::States states = set.Start();
  for (int i = 0; i < 1'000; ++i) states = set.Enter(states, "a");
  EXPECT_LE(states.size(), 101u);
  EXPECT_TRUE(set.MatchesFile(states, "b"));
  EXPECT_FALSE(set.MatchesFile(states, "c"));
}

}  // namespace
}  // namespace pj::plan
