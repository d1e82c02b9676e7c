#include "output/segment.h"

#include <gmock/gmock.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/rng.h"
#include "fixture.h"
#include "unit/output/index_of.h"

namespace pj::output {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::unique_ptr<SegmentWriter> Fresh(const TempDir& dir, FileOps* files = nullptr) {
  auto writer = SegmentWriter::Open(dir.str(), "0-1-i-a", std::nullopt, files);
  EXPECT_TRUE(writer) << writer.error().ToString();
  return std::move(*writer);
}

void Add(SegmentWriter* writer, uint64_t mini_batch) {
  writer->AppendRows(mini_batch, 1, RowsOf(mini_batch), 1);
  writer->AppendAttempt(Attempt(mini_batch));
}

TEST(SegmentTest, WhatWasCommittedIsRead) {
  TempDir dir;
  auto writer = Fresh(dir);
  Add(writer.get(), 7);
  writer->AppendRows(3, 2, "", 0);
  writer->AppendAttempt(Attempt(3, 2, 0));
  EXPECT_GT(writer->PendingBytes(), 2 * kIndexEntryBytes);
  auto first = writer->Commit(writer->TakePending());
  ASSERT_TRUE(first);
  EXPECT_EQ(writer->PendingBytes(), 0u);
  Add(writer.get(), 9);
  auto second = writer->Commit(writer->TakePending());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->segment, "0-1-i-a");
  EXPECT_EQ(second->index, 3 * kIndexEntryBytes);

  auto entries = IndexOf(dir.str(), *second);
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].mini_batch, 7u);
  EXPECT_EQ((*entries)[0].crc, Crc32c("row 7\n"));
  EXPECT_EQ((*entries)[1].attempt, 2u);
  EXPECT_EQ((*entries)[1].length, 0u);
  EXPECT_EQ((*entries)[2].offset, 6u);
  EXPECT_EQ(*ReadFile(dir / "0-1-i-a.rows"), "row 7\nrow 9\n");
  EXPECT_EQ(IndexOf(dir.str(), *first)->size(), 2u) << "an older mark still reads";
  const auto attempts = AllAttempts(dir.str(), *second);
  ASSERT_EQ(attempts.size(), 3u);
  EXPECT_TRUE(Same(attempts[0], Attempt(7)));
  EXPECT_TRUE(Same(attempts[1], Attempt(3, 2, 0)));
  EXPECT_TRUE(Same(attempts[2], Attempt(9)));
}

TEST(SegmentTest, AnIndexOfManyPiecesIsReadInOrderAndCheckedToItsEnd) {
  TempDir dir;
  auto writer = Fresh(dir);
  constexpr uint64_t kEntries = 10'000;
  for (uint64_t i = 0; i < kEntries; ++i) Add(writer.get(), i);
  auto mark = writer->Commit(writer->TakePending());
  ASSERT_TRUE(mark);
  auto entries = IndexOf(dir.str(), *mark);
  ASSERT_TRUE(entries) << entries.error().ToString();
  ASSERT_EQ(entries->size(), kEntries);
  for (uint64_t i = 0; i < kEntries; ++i) ASSERT_EQ((*entries)[i].mini_batch, i);
  std::string bytes = *ReadFile(dir / "0-1-i-a.index");
  bytes[(kEntries - 1) * kIndexEntryBytes] ^= 1;
  ASSERT_TRUE(WriteFileAtomic(dir / "0-1-i-a.index", bytes));
  uint64_t seen = 0;
  EXPECT_FALSE(ReadIndex(dir.str(), *mark, [&](const IndexEntry&) { ++seen; }));
  EXPECT_EQ(seen, 0u) << "nothing is told of what is damaged further on";
}

TEST(SegmentTest, CommittingNothingKeepsTheMark) {
  TempDir dir;
  auto writer = Fresh(dir);
  EXPECT_EQ(writer->Commit(writer->TakePending())->index, 0u);
  Add(writer.get(), 1);
  const auto mark = *writer->Commit(writer->TakePending());
  EXPECT_EQ(*writer->Commit(writer->TakePending()), mark);
  EXPECT_EQ(*writer->Commit(nullptr), mark);
  EXPECT_TRUE(IndexOf(dir.str(), mark));
}

TEST(SegmentTest, UncommittedBytesAreTruncatedOnReopening) {
  TempDir dir;
  auto writer = Fresh(dir);
  Add(writer.get(), 0);
  const auto mark = *writer->Commit(writer->TakePending());
  Add(writer.get(), 1);
  ASSERT_TRUE(writer->Commit(writer->TakePending()));  // the ledger never heard of it
  auto again = SegmentWriter::Open(dir.str(), mark.segment, mark);
  ASSERT_TRUE(again) << again.error().ToString();
  EXPECT_EQ(ReadFile(dir / "0-1-i-a.rows")->size(), mark.rows);
  EXPECT_EQ(ReadFile(dir / "0-1-i-a.index")->size(), mark.index);
  EXPECT_EQ(ReadFile(dir / "0-1-i-a.attempts")->size(), mark.attempts);
  Add(again->get(), 2);
  const auto after = *(*again)->Commit((*again)->TakePending());
  EXPECT_EQ(IndexOf(dir.str(), after)->at(1).mini_batch, 2u);
  EXPECT_EQ(AllAttempts(dir.str(), after).size(), 2u);
}

TEST(SegmentTest, AMarkOfAnotherSegmentIsRefused) {
  TempDir dir;
  ledger::OutputMark mark;
  mark.segment = "other";
  EXPECT_FALSE(SegmentWriter::Open(dir.str(), "mine", mark));
}

TEST(SegmentTest, StemsHoldNoPath) {
  EXPECT_EQ(SegmentStem(65536, 3, "instance-0", "abc"), "65536-3-instance-0-abc");
  EXPECT_EQ(SegmentStem(0, 1, "../a b", "x/y"), "0-1-.._a_b-x_y");
  for (const char* stem : {"", "../0-1", ".hidden", "a/b"}) {
    ledger::OutputMark mark;
    mark.segment = stem;
    EXPECT_EQ(IndexOf("/tmp", mark).error().code, Code::kCorrupt) << stem;
    EXPECT_EQ(ReadAttempts("/tmp", mark, [](const AttemptRecord&) {}).error().code, Code::kCorrupt);
  }
}

TEST(SegmentTest, AFailedCommitIsAcknowledgedByNobodyAndMadeUpFor) {
  for (const int error : {EIO, ENOSPC}) {
    int clean_at = 0;
    for (int n = 1; clean_at == 0; ++n) {
      ASSERT_LT(n, 50);
      TempDir dir;
      FailingFiles files;
      auto writer = Fresh(dir, &files);
      Add(writer.get(), 0);
      const auto before = *writer->Commit(writer->TakePending());
      Add(writer.get(), 1);
      files.Arm(n, error);
      auto failed = writer->Commit(writer->TakePending());
      if (!files.fired()) {
        ASSERT_TRUE(failed);
        clean_at = n;
        continue;
      }
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code, error == ENOSPC ? Code::kNoSpace : Code::kIo);
      EXPECT_THAT(failed.error().where, StartsWith(dir.str()));
      ASSERT_EQ(IndexOf(dir.str(), before)->size(), 1u) << "what was committed still reads";
      EXPECT_EQ(ReadFile(dir / "0-1-i-a.rows")->size(), before.rows) << "truncated back";
      Add(writer.get(), 2);
      const auto after = writer->Commit(writer->TakePending());
      ASSERT_TRUE(after) << after.error().ToString();
      EXPECT_EQ(*ReadFile(dir / "0-1-i-a.rows"), "row 0\nrow 1\nrow 2\n");
      EXPECT_EQ(IndexOf(dir.str(), *after)->size(), 3u);
      EXPECT_EQ(AllAttempts(dir.str(), *after).size(), 3u);
    }
    EXPECT_GE(clean_at, 7) << "three writes and three syncs can fail";
  }
}

TEST(SegmentTest, ATruncationThatFailsTooIsRepeatedBeforeTheNextAppend) {
  TempDir dir;
  class Broken : public FileOps {
   public:
    bool down = false;
    int truncations = 0;
    int Truncate(int fd, uint64_t size) override {
      ++truncations;
      return down ? (errno = EIO, -1) : FileOps::Truncate(fd, size);
    }
    int Sync(int fd) override { return down ? (errno = EIO, -1) : FileOps::Sync(fd); }
  } files;
  auto writer = Fresh(dir, &files);
  Add(writer.get(), 0);
  files.down = true;
  EXPECT_FALSE(writer->Commit(writer->TakePending()));
  EXPECT_FALSE(writer->Commit(writer->TakePending()));
  files.down = false;
  files.truncations = 0;
  const auto mark = writer->Commit(nullptr);
  ASSERT_TRUE(mark);
  EXPECT_EQ(files.truncations, 3);
  EXPECT_EQ(IndexOf(dir.str(), *mark)->size(), 1u);
}

TEST(SegmentTest, ShortWritesAreContinued) {
  TempDir dir;
  FailingFiles files;
  files.ShortCounts();
  auto writer = Fresh(dir, &files);
  for (uint64_t i = 0; i < 100; ++i) Add(writer.get(), i);
  const auto mark = *writer->Commit(writer->TakePending());
  EXPECT_EQ(IndexOf(dir.str(), mark)->size(), 100u);
  EXPECT_EQ(AllAttempts(dir.str(), mark).size(), 100u);
}

TEST(SegmentTest, EveryFlippedByteOfIndexAndAttemptsIsFound) {
  TempDir dir;
  auto writer = Fresh(dir);
  for (uint64_t i = 0; i < 3; ++i) Add(writer.get(), i);
  const auto mark = *writer->Commit(writer->TakePending());
  for (size_t at = 0; at < mark.index; ++at) {
    FlipByte(dir / "0-1-i-a.index", at);
    auto read = IndexOf(dir.str(), mark);
    ASSERT_FALSE(read) << at;
    EXPECT_EQ(read.error().code, Code::kCorrupt);
    EXPECT_THAT(read.error().message, StartsWith("LedgerCorrupt: "));
    FlipByte(dir / "0-1-i-a.index", at);
  }
  for (size_t at = 0; at < mark.attempts; ++at) {
    FlipByte(dir / "0-1-i-a.attempts", at);
    const Status read = ReadAttempts(dir.str(), mark, [](const AttemptRecord&) {});
    ASSERT_FALSE(read) << at;
    EXPECT_THAT(read.error().message, StartsWith("LedgerCorrupt: "));
    FlipByte(dir / "0-1-i-a.attempts", at);
  }
  EXPECT_TRUE(IndexOf(dir.str(), mark));
}

TEST(SegmentTest, ShortAndMissingFilesAreFound) {
  TempDir dir;
  auto writer = Fresh(dir);
  for (uint64_t i = 0; i < 3; ++i) Add(writer.get(), i);
  const auto mark = *writer->Commit(writer->TakePending());
  const auto ignore = [](const AttemptRecord&) {};
  for (const char* name : {"0-1-i-a.rows", "0-1-i-a.index", "0-1-i-a.attempts"}) {
    const std::string path = dir / name;
    const std::string whole = *ReadFile(path);
    ASSERT_TRUE(WriteFileAtomic(path, whole.substr(0, whole.size() - 1)));
    const bool found = !IndexOf(dir.str(), mark) || !ReadAttempts(dir.str(), mark, ignore);
    EXPECT_TRUE(found) << name;
    std::filesystem::remove(path);
    const bool missing = !IndexOf(dir.str(), mark) || !ReadAttempts(dir.str(), mark, ignore);
    EXPECT_TRUE(missing) << name;
    ASSERT_TRUE(WriteFileAtomic(path, whole));
  }
}

TEST(SegmentTest, AMarkThatFitsNoEntriesIsFound) {
  TempDir dir;
  auto writer = Fresh(dir);
  for (uint64_t i = 0; i < 3; ++i) Add(writer.get(), i);
  auto mark = *writer->Commit(writer->TakePending());
  ledger::OutputMark odd = mark;
  odd.index -= 1;
  EXPECT_THAT(IndexOf(dir.str(), odd).error().message, HasSubstr("whole number"));
  ledger::OutputMark fewer_rows = mark;
  fewer_rows.rows -= 1;
  EXPECT_EQ(IndexOf(dir.str(), fewer_rows).error().code, Code::kCorrupt);
  ledger::OutputMark half_block = mark;
  half_block.attempts -= 3;
  EXPECT_EQ(ReadAttempts(dir.str(), half_block, [](const AttemptRecord&) {}).error().code,
            Code::kCorrupt);
}

AttemptRecord RandomAttempt(Rng* rng) {
  AttemptRecord r;
  const auto wide = [rng] { return rng->Next() >> rng->Below(64); };
  const auto text = [rng](uint64_t most) {
    std::string s(rng->Below(most), '\0');
    for (char& c : s) c = static_cast<char>(rng->Next());
    return s;
  };
  r.mini_batch = wide();
  r.attempt = static_cast<uint32_t>(wide());
  r.status = static_cast<ledger::AttemptStatus>(rng->Below(7));
  r.terminal = rng->Below(2) == 0;
  r.node = "instance-" + std::to_string(rng->Below(90));
  r.address = text(20);
  r.process = static_cast<uint32_t>(wide());
  r.start_wall_ns = static_cast<int64_t>(wide());
  r.elapsed_ns = -static_cast<int64_t>(wide());
  r.process_ns = static_cast<int64_t>(wide());
  r.run_ns = static_cast<int64_t>(wide());
  r.items_total = wide();
  r.items_ok = wide();
  r.items_failed = wide();
  r.rows = wide();
  r.detail = text(100);
  r.log = text(40);
  if (rng->Below(3) == 0) r.category = text(30), r.message = text(300), r.traceback = text(3000);
  return r;
}

TEST(SegmentTest, AnyAttemptRecordComesBackOverManyBlocksAndCommits) {
  TempDir dir;
  auto writer = Fresh(dir);
  Rng rng(42);
  std::vector<AttemptRecord> expected;
  ledger::OutputMark mark;
  for (int tick = 0; tick < 5; ++tick) {
    for (int i = 0; i < 2000; ++i) {
      expected.push_back(RandomAttempt(&rng));
      writer->AppendAttempt(expected.back());
    }
    mark = *writer->Commit(writer->TakePending());
  }
  ASSERT_GT(mark.attempts, 5u << 20) << "several blocks a commit";
  const auto read = AllAttempts(dir.str(), mark);
  ASSERT_EQ(read.size(), expected.size());
  for (size_t i = 0; i < read.size(); ++i) ASSERT_TRUE(Same(read[i], expected[i])) << i;
}

TEST(SegmentTest, AttemptsAreReadFromAnEarlierMarkOn) {
  TempDir dir;
  auto writer = Fresh(dir);
  Add(writer.get(), 0);
  const auto first = *writer->Commit(writer->TakePending());
  Add(writer.get(), 1);
  const auto second = *writer->Commit(writer->TakePending());
  std::vector<uint64_t> ids;
  const auto note = [&](const AttemptRecord& r) { ids.push_back(r.mini_batch); };
  ASSERT_TRUE(ReadAttempts(dir.str(), second, note, first.attempts));
  EXPECT_EQ(ids, std::vector<uint64_t>{1});
  EXPECT_FALSE(ReadAttempts(dir.str(), second, note, first.attempts + 1))
      << "no block begins there";
}

TEST(SegmentTest, RepeatedStringsCostNoSpace) {
  TempDir dir;
  auto writer = Fresh(dir);
  for (uint64_t i = 0; i < 1000; ++i) writer->AppendAttempt(Attempt(i));
  EXPECT_LT(writer->PendingBytes(), 1000u * 40);
}

TEST(SegmentTest, LongMessagesAreCutAtACharacter) {
  TempDir dir;
  auto writer = Fresh(dir);
  AttemptRecord r = Attempt(0);
  r.category = "E";
  r.message = std::string(limits::kMessageBytes - 1, 'x') + "\u20ac";
  r.traceback = std::string(limits::kTracebackBytes + 5, 't');
  writer->AppendAttempt(r);
  const auto read = AllAttempts(dir.str(), *writer->Commit(writer->TakePending()));
  EXPECT_EQ(read.at(0).message, std::string(limits::kMessageBytes - 1, 'x'));
  EXPECT_EQ(read.at(0).traceback.size(), limits::kTracebackBytes);
}

TEST(SegmentTest, ABlockOfAnotherSegmentIsNotTaken) {
  TempDir dir;
  auto writer = Fresh(dir);
  Add(writer.get(), 0);
  auto mark = *writer->Commit(writer->TakePending());
  for (const char* kind : {".rows", ".index", ".attempts"}) {
    std::filesystem::copy_file(dir / (mark.segment + kind), dir / (std::string("other") + kind));
  }
  mark.segment = "other";
  EXPECT_EQ(ReadAttempts(dir.str(), mark, [](const AttemptRecord&) {}).error().code,
            Code::kCorrupt);
}

TEST(SegmentTest, AFolderThatIsNotThereNamesThePath) {
  auto writer = SegmentWriter::Open("/nonexistent/segments", "0-1-i-a", std::nullopt);
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().where, HasSubstr("/nonexistent/segments"));
}

}  // namespace
}  // namespace pj::output
