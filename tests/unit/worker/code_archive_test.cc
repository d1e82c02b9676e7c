#include "worker/code_archive.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "base/fs.h"
#include "base/process.h"
#include "unit/temp_dir.h"

namespace pj::worker {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::vector<CodeFile> kFiles = {
    {"score.py", "def run(batch):\n    return batch\n", false},
    {"empty", "", false},
    {"bin/run.sh", "echo\n", true},
    {"block.bin", std::string(512, '\xff'), false},
    {std::string(80, 'd') + "/" + std::string(90, 'f'), "long", false},
    {"ü/ä.txt", "umlauts", false}};

TEST(CodeArchive, GivesBackEveryFile) {
  const TempDir dir;
  const auto archive = PackCode(kFiles);
  ASSERT_TRUE(archive) << archive.error().ToString();
  ASSERT_TRUE(UnpackArchive(*archive, dir / "out"));
  size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(dir / "out")) {
    count += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(count, kFiles.size());
  for (const CodeFile& file : kFiles) {
    EXPECT_EQ(ReadFile(dir / ("out/" + file.path)), file.content) << file.path;
    const auto mode = fs::status(dir / ("out/" + file.path)).permissions();
    EXPECT_EQ((mode & fs::perms::owner_exec) != fs::perms::none, file.executable) << file.path;
  }
  EXPECT_EQ(PackCode(kFiles).value(), *archive) << "same files, same bytes";
}

TEST(CodeArchive, IsOneThatTarReads) {
  const TempDir dir;
  ASSERT_TRUE(WriteFileAtomic(dir / "code.tgz", PackCode(kFiles).value()));
  const auto listed = RunProcess({"tar", "-tzf", dir / "code.tgz"});
  ASSERT_TRUE(listed) << listed.error().ToString();
  EXPECT_EQ(listed->exit_code, 0) << listed->output;
  EXPECT_THAT(listed->output, HasSubstr("bin/run.sh\n"));
  EXPECT_THAT(listed->output, HasSubstr(std::string(80, 'd') + "/" + std::string(90, 'f')));
}

TEST(CodeArchive, IsPutTogetherFromParts) {
  const TempDir dir;
  const std::string archive = PackCode(kFiles).value();
  for (size_t i = 0; i * 100 < archive.size(); ++i) {
    std::string name = std::to_string(i);
    name.insert(0, 4 - name.size(), '0');
    ASSERT_TRUE(MakeDirs(dir / "parts"));
    ASSERT_TRUE(WriteFileAtomic(dir / ("parts/" + name), archive.substr(i * 100, 100)));
  }
  fs::create_directory(dir / "parts/..data");
  ASSERT_TRUE(UnpackCode(dir / "parts", dir / "out"));
  EXPECT_EQ(ReadFile(dir / "out/score.py"), kFiles[0].content);
  EXPECT_FALSE(UnpackCode(dir / "none", dir / "out"));
}

TEST(CodeArchive, RefusesWhatItDidNotMake) {
  const TempDir dir;
  const std::string archive = PackCode(kFiles).value();
  for (const size_t size : {size_t{0}, size_t{5}, archive.size() / 2, archive.size() - 9}) {
    const Status cut = UnpackArchive(archive.substr(0, size), dir / "out");
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, Code::kCorrupt) << size;
  }
  for (const std::string path : {"../out", "/etc/passwd", "a/../../b"}) {
    const Status outside = UnpackArchive(PackCode({{path, "x", false}}).value(), dir / "out");
    ASSERT_FALSE(outside) << path;
    EXPECT_THAT(outside.error().ToString(), HasSubstr("leads out of the folder"));
  }
  fs::create_directories(dir / "tree");
  fs::create_symlink("/etc", dir / "tree/link");
  ASSERT_EQ(
      RunProcess({"tar", "-C", dir / "tree", "-czf", dir / "link.tgz", "--format=ustar", "link"})
          ->exit_code,
      0);
  const Status link = UnpackArchive(ReadFile(dir / "link.tgz").value(), dir / "out");
  ASSERT_FALSE(link);
  EXPECT_THAT(link.error().ToString(), HasSubstr("no regular file"));
}

TEST(CodeArchive, RefusesPathsThatTarCannotHold) {
  const auto archive = PackCode({{std::string(101, 'x'), "", false}});
  ASSERT_FALSE(archive);
  EXPECT_THAT(archive.error().ToString(), HasSubstr("shorten it"));
}

}  // namespace
}  // namespace pj::worker
