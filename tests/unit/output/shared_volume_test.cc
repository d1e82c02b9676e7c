// SharedVolume: committed files that other machines wrote and that come late, and renames whose
// answers are lost.
#include "output/shared_volume.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <vector>

#include "base/hash.h"
#include "fixture.h"

namespace pj::output {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Late = FileOps::Late;

class SharedVolumeTest : public testing::Test {
 protected:
  SharedVolumeTest() {
    UnsyncedFiles files;
    auto writer = SegmentWriter::Open(dir_.str(), stem_, std::nullopt, &files);
    EXPECT_TRUE(writer) << writer.error().ToString();
    for (uint64_t id = 0; id < 3; ++id) {
      (*writer)->AppendRows(id, 1, RowsOf(id), 1);
      (*writer)->AppendAttempt(Attempt(id));
    }
    mark_ = *(*writer)->Commit((*writer)->TakePending());
    fs::create_directories(dir_ / "out");
    fs::create_directories(dir_ / "away");
  }

  std::string Path(const std::string& end) const { return dir_ / (stem_ + end); }
  // Away from here and back again, as this machine sees it.
  void Hide(const std::string& end) { fs::rename(Path(end), dir_ / ("away/" + end)); }
  void Show(const std::string& end) { fs::rename(dir_ / ("away/" + end), Path(end)); }

  SharedVolume Volume(std::function<void()> each_pause = [] {}) {
    return SharedVolume([this, each_pause](Nanos time) {
      pauses_.push_back(time);
      each_pause();
      return stopped_;
    });
  }
  Nanos Waited() const {
    Nanos sum{0};
    for (const Nanos pause : pauses_) sum += pause;
    return sum;
  }
  Result<Published> PublishWith(FileOps* files) {
    ledger::ShardRecord shard{.lo = 0, .hi = 3};
    shard.low_water = 3;
    shard.sealed = true;
    shard.outputs = {mark_};
    return Publish({.segments_dir = dir_.str(),
                    .shards = {shard},
                    .mini_batches = 3,
                    .destination = destination_,
                    .files = files});
  }

  const TempDir dir_;
  const std::string stem_ = SegmentStem(0, 1, "w-0", "x");
  const std::string destination_ = dir_ / "out/rows.txt";
  ledger::OutputMark mark_;
  std::vector<Nanos> pauses_;
  bool stopped_ = false;
};

TEST_F(SharedVolumeTest, WhatIsWholeIsReadAtOnce) {
  SharedVolume volume = Volume();
  EXPECT_TRUE(PublishWith(&volume));
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(SharedVolumeTest, AFileThatAppearsLaterIsReadThen) {
  for (const char* end : {".index", ".rows", ".attempts"}) {
    pauses_.clear();
    Hide(end);
    SharedVolume volume = Volume([&] {
      if (pauses_.size() == 4) Show(end);
    });
    const bool attempts = std::string(end) == ".attempts";
    uint64_t seen = 0;
    const auto count = [&seen](const AttemptRecord&) { ++seen; };
    if (attempts) {
      EXPECT_TRUE(ReadAttempts(dir_.str(), mark_, count, 0, &volume));
      EXPECT_EQ(seen, 3U);
    } else {
      const Result<Published> published = PublishWith(&volume);
      ASSERT_TRUE(published) << end << ": " << published.error().ToString();
      EXPECT_EQ(*ReadFile(destination_), RowsOf(0) + RowsOf(1) + RowsOf(2));
    }
    EXPECT_EQ(pauses_.size(), 4U) << end;
  }
}

TEST_F(SharedVolumeTest, AFileThatGrowsLaterIsOpenedAnew) {
  Hide(".rows");
  const std::string whole = *ReadFile(dir_ / "away/.rows");
  ASSERT_TRUE(WriteFileAtomic(Path(".rows"), whole.substr(0, whole.size() - 1)));
  SharedVolume volume = Volume([&] {
    if (pauses_.size() == 3) Show(".rows");  // another inode: an open descriptor would never see it
  });
  ASSERT_TRUE(PublishWith(&volume));
  EXPECT_EQ(pauses_.size(), 3U);
  EXPECT_EQ(*ReadFile(destination_), whole);
}

TEST_F(SharedVolumeTest, DamageIsDamageAfterNinetySecondsOfAllFilesTogether) {
  Hide(".index");
  SharedVolume volume = Volume();
  const Result<Published> published = PublishWith(&volume);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::kCorrupt);
  EXPECT_THAT(published.error().message, HasSubstr("the file is missing, but 120 bytes were"));
  EXPECT_EQ(Waited(), SharedVolume::kPatience);
  EXPECT_LE(pauses_.size(), 30U);  // and not many more looks than that takes

  Hide(".attempts");
  const Status read = ReadAttempts(dir_.str(), mark_, [](const AttemptRecord&) {}, 0, &volume);
  EXPECT_EQ(read.error().code, Code::kCorrupt);
  EXPECT_EQ(Waited(), SharedVolume::kPatience);
}

TEST_F(SharedVolumeTest, AStopEndsTheWaitAndIsNoDamage) {
  Hide(".index");
  SharedVolume volume = Volume();
  stopped_ = true;
  const Result<Published> published = PublishWith(&volume);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::kCancelled);
  EXPECT_EQ(pauses_.size(), 1U);
}

TEST_F(SharedVolumeTest, ADiskOfOnesOwnIsNotWaitedFor) {
  EXPECT_EQ(FileOps::Real().WaitFor("any", 1), Late::kNever);
  Hide(".index");
  EXPECT_EQ(PublishWith(nullptr).error().code, Code::kCorrupt);
}

// --- rename
// ---------------------------------------------------------------------------------------

// Puts `text` there in place of the file that is renamed, or that file itself; answers ENOENT.
class LostRename : public FileOps {
 public:
  explicit LostRename(std::optional<std::string> text) : text_(std::move(text)) {}
  int Rename(const std::string& from, const std::string& to) override {
    if (text_) {
      EXPECT_TRUE(WriteFileAtomic(to, *text_));
      fs::remove(from);
    } else {
      fs::rename(from, to);
    }
    errno = ENOENT;
    return -1;
  }

 private:
  const std::optional<std::string> text_;
};

TEST_F(SharedVolumeTest, ARenameWhoseAnswerWasLostHasPublished) {
  LostRename lost(std::nullopt);
  const Result<Published> published = PublishWith(&lost);
  ASSERT_TRUE(published) << published.error().ToString();
  EXPECT_EQ(published->crc, Crc32c(*ReadFile(destination_)));
}

TEST_F(SharedVolumeTest, AnotherPublisherMayHaveBeenFirst) {
  const std::string rows = RowsOf(0) + RowsOf(1) + RowsOf(2);
  LostRename same(rows);
  EXPECT_TRUE(PublishWith(&same));
  EXPECT_EQ(*ReadFile(destination_), rows);

  for (const std::string& other : {rows.substr(1), std::string(rows.size(), 'x'), std::string()}) {
    LostRename different(other);
    const Result<Published> published = PublishWith(&different);
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().where, destination_);
  }
}

}  // namespace
}  // namespace pj::output
