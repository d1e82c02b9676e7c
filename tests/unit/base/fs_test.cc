#include "base/fs.h"
#include "unit/temp_dir.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

namespace pj {
namespace {

namespace fs = std::filesystem;

class FsTest : public ::testing::Test {
 protected:
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_)) names.push_back(entry.path().filename());
    return names;
  }

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
};

TEST_F(FsTest, AFullDiskIsToldWithItsFileSystemAndBytes) {
  const Status written = WriteAll(OpenFile("/dev/full", O_WRONLY)->get(), "12345", dir_ + "/new");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kNoSpace);
  EXPECT_THAT(written.error().message,
              ::testing::HasSubstr("the file system " + MountPointOf(dir_) + " has "));
  EXPECT_THAT(written.error().message, ::testing::HasSubstr("at least 5 are needed"));
  EXPECT_EQ(MountPointOf("/proc/self/status"), "/proc");
}

TEST_F(FsTest, AtomicWritesReplaceAndLeaveNothingBeside) {
  const std::string path = dir_ + "/file";
  ASSERT_TRUE(WriteFileAtomic(path, "one"));
  ASSERT_TRUE(WriteFileAtomic(path, std::string("t\0o", 3)));
  EXPECT_EQ(*ReadFile(path), std::string("t\0o", 3));
  EXPECT_THAT(Names(), ::testing::ElementsAre("file"));
}

TEST_F(FsTest, AFailedAtomicWriteLeavesNothingBeside) {
  fs::create_directories(dir_ + "/folder/full");
  const Status onto_folder = WriteFileAtomic(dir_ + "/folder", "x");
  ASSERT_FALSE(onto_folder);
  EXPECT_EQ(onto_folder.error().where, dir_ + "/folder");
  EXPECT_THAT(Names(), ::testing::ElementsAre("folder"));
  EXPECT_EQ(WriteFileAtomic(dir_ + "/none/file", "x").error().code, Code::kNotFound);
}

TEST_F(FsTest, ManyThreadsReplaceOneFileWhole) {
  const std::string path = dir_ + "/file";
  std::vector<std::jthread> threads;
  std::vector<Status> results(8);
  for (size_t t = 0; t < results.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20 && results[t]; ++i) {
        results[t] = WriteFileAtomic(path, std::string(10'000, static_cast<char>('a' + t)));
      }
    });
  }
  threads.clear();
  for (const Status& result : results) EXPECT_TRUE(result) << result.error().ToString();
  const std::string text = *ReadFile(path);
  EXPECT_EQ(text, std::string(10'000, text.at(0)));
  EXPECT_THAT(Names(), ::testing::ElementsAre("file"));
}

TEST_F(FsTest, ReadFileHasALimitAndNamesThePath) {
  const std::string path = dir_ + "/file";
  ASSERT_TRUE(WriteFileAtomic(path, "12345"));
  EXPECT_EQ(*ReadFile(path, 5), "12345");
  EXPECT_EQ(ReadFile(path, 4).error().code, Code::kTooLarge);
  const auto missing = ReadFile(dir_ + "/none");
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().where, dir_ + "/none");
  EXPECT_FALSE(ReadFile(dir_));
}

TEST_F(FsTest, ReadAtGivesExactlyThatOrSaysCorrupt) {
  const std::string path = dir_ + "/file";
  ASSERT_TRUE(WriteFileAtomic(path, "0123456789"));
  auto fd = OpenFile(path, O_RDONLY);
  ASSERT_TRUE(fd);
  EXPECT_EQ(*ReadAt(fd->get(), 3, 4, path), "3456");
  EXPECT_EQ(*ReadAt(fd->get(), 10, 0, path), "");
  EXPECT_EQ(ReadAt(fd->get(), 8, 3, path).error().code, Code::kCorrupt);
  EXPECT_EQ(ReadAt(fd->get(), 20, 1, path).error().code, Code::kCorrupt);
  EXPECT_EQ(ReadAt(fd->get(), 0, UINT64_MAX / 2, path).error().code, Code::kCorrupt)
      << "a damaged length must not be allocated";
}

TEST_F(FsTest, WriteErrorsAreTold) {
  auto full = OpenFile("/dev/full", O_WRONLY);
  ASSERT_TRUE(full);
  const Status written = WriteAll(full->get(), "x", "/dev/full");
  EXPECT_EQ(written.error().code, Code::kNoSpace);
  EXPECT_EQ(written.error().where, "/dev/full");
}

TEST_F(FsTest, MakeDirsIsIdempotentAndNamesWhatIsInTheWay) {
  EXPECT_TRUE(MakeDirs(dir_ + "/a/b"));
  EXPECT_TRUE(MakeDirs(dir_ + "/a/b"));
  ASSERT_TRUE(WriteFileAtomic(dir_ + "/file", ""));
  EXPECT_FALSE(MakeDirs(dir_ + "/file/sub"));
}

TEST_F(FsTest, DescriptorsAreClosedOnceAndOnExec) {
  int raw = -1;
  {
    auto fd = OpenFile(dir_, O_RDONLY | O_DIRECTORY);
    raw = fd->get();
    EXPECT_NE(::fcntl(raw, F_GETFD) & FD_CLOEXEC, 0);
    UniqueFd moved = std::move(*fd);
    EXPECT_FALSE(fd->valid());
    EXPECT_TRUE(moved.valid());
  }
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

}  // namespace
}  // namespace pj
