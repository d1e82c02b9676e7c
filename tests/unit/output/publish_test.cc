#include "output/publish.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "base/hash.h"
#include "base/limits.h"
#include "base/rng.h"
#include "fixture.h"

namespace pj::output {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A sealed shard whose mini-batches were committed by several epochs, in any order within each.
ledger::ShardRecord MakeShard(const TempDir& dir, uint64_t lo, uint64_t hi,
                              const std::vector<std::vector<uint64_t>>& epochs,
                              const std::map<uint64_t, std::string>& rows = {}) {
  ledger::ShardRecord shard;
  shard.lo = shard.low_water = lo;
  shard.hi = hi;
  shard.sealed = true;
  UnsyncedFiles files;
  for (size_t e = 0; e < epochs.size(); ++e) {
    const std::string stem = SegmentStem(lo, e + 1, "instance-0", "x");
    auto writer = SegmentWriter::Open(dir.str(), stem, std::nullopt, &files);
    EXPECT_TRUE(writer) << writer.error().ToString();
    for (const uint64_t id : epochs[e]) {
      const auto it = rows.find(id);
      const std::string bytes = it == rows.end() ? RowsOf(id) : it->second;
      const auto count = static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
      (*writer)->AppendRows(id, 1, bytes, count);
      (*writer)->AppendAttempt(Attempt(id, 1, count));
      shard.done_above.Add(id);
    }
    shard.outputs.push_back(*(*writer)->Commit((*writer)->TakePending()));
  }
  return shard;
}

PublishRequest Request(const TempDir& dir, std::vector<ledger::ShardRecord> shards) {
  PublishRequest request;
  request.segments_dir = dir.str();
  request.mini_batches = shards.empty() ? 0 : shards.back().hi;
  request.shards = std::move(shards);
  request.destination = dir / "out/result.txt";
  std::filesystem::create_directories(dir / "out");
  return request;
}

std::vector<std::string> Names(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& e : std::filesystem::directory_iterator(dir))
    names.push_back(e.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(PublishTest, RowsStandInMiniBatchOrderWhateverTheCommitOrder) {
  TempDir dir;
  auto request = Request(
      dir, {MakeShard(dir, 0, 4, {{2, 0}, {3, 1}}), MakeShard(dir, 4, 6, {{5, 4}}, {{4, ""}})});
  request.header = "name\n";
  const auto published = Publish(request);
  ASSERT_TRUE(published) << published.error().ToString();
  const std::string text = "name\nrow 0\nrow 1\nrow 2\nrow 3\nrow 5\n";
  EXPECT_EQ(*ReadFile(request.destination), text);
  EXPECT_EQ(published->path, request.destination);
  EXPECT_EQ(published->bytes, text.size());
  EXPECT_EQ(published->rows, 5u);
  EXPECT_EQ(published->crc, Crc32c(text));
  EXPECT_THAT(Names(dir / "out"), ElementsAre("result.txt"));

  const auto audit = AuditSegments(request);
  ASSERT_TRUE(audit);
  EXPECT_THAT(audit->findings, IsEmpty());
  EXPECT_EQ(audit->crc, published->crc);
  EXPECT_EQ(audit->bytes, published->bytes);
  EXPECT_EQ(audit->rows, 5u);
  EXPECT_EQ(audit->mini_batches, 6u);
  EXPECT_EQ(audit->attempts, 6u);
  EXPECT_EQ(audit->items_ok, 30u);
}

TEST(PublishTest, ShardsOfRandomOrdersAndSizesEqualTheConcatenation) {
  Rng rng(7);
  for (int round = 0; round < 20; ++round) {
    TempDir dir;
    std::map<uint64_t, std::string> rows;
    std::string expected;
    std::vector<ledger::ShardRecord> shards;
    uint64_t lo = 0;
    for (int s = 0; s < 3; ++s) {
      const uint64_t hi = lo + 1 + rng.Below(60);
      std::vector<std::vector<uint64_t>> epochs(1 + rng.Below(4));
      std::vector<uint64_t> ids(hi - lo);
      std::iota(ids.begin(), ids.end(), lo);
      for (const uint64_t id : ids) {
        const uint64_t size = rng.Below(3) == 0 ? rng.Below(200'000) : rng.Below(50);
        rows[id] = std::string(size, static_cast<char>('a' + id % 26));
        expected += rows[id];
      }
      for (size_t i = ids.size(); i > 1; --i)
        std::swap(ids[i - 1], ids[rng.Below(std::min(i, 8UL))]);
      for (const uint64_t id : ids) epochs[rng.Below(epochs.size())].push_back(id);
      shards.push_back(MakeShard(dir, lo, hi, epochs, rows));
      lo = hi;
    }
    auto request = Request(dir, shards);
    FailingFiles files;
    if (round % 3 == 1) files.NoKernelCopies();
    if (round % 3 == 2) files.ShortCounts();
    request.files = &files;
    const auto published = Publish(request);
    ASSERT_TRUE(published) << published.error().ToString();
    ASSERT_EQ(*ReadFile(request.destination), expected) << round;
    EXPECT_EQ(published->crc, Crc32c(expected));
    EXPECT_EQ(AuditSegments(request)->crc, published->crc);
  }
}

TEST(PublishTest, WhateverCallFailsTheResultIsWholeOrInvisible) {
  for (const int error : {EIO, ENOSPC}) {
    bool clean = false;
    for (int n = 1; !clean; ++n) {
      ASSERT_LT(n, 100);
      TempDir dir;
      auto request =
          Request(dir, {MakeShard(dir, 0, 3, {{0, 1, 2}}, {{1, std::string(300'000, 'x')}}),
                        MakeShard(dir, 3, 5, {{4, 3}})});
      ASSERT_TRUE(WriteFileAtomic(request.destination, "what stood there"));
      FailingFiles files(n, error);
      request.files = &files;
      const auto published = Publish(request);
      clean = !files.fired();
      ASSERT_EQ(published.has_value(), clean) << n;
      const std::string found = *ReadFile(request.destination);
      const std::string expected = "row 0\n" + std::string(300'000, 'x') + "row 2\nrow 3\nrow 4\n";
      EXPECT_TRUE(found == "what stood there" || found == expected) << n;
      EXPECT_THAT(Names(dir / "out"), ElementsAre("result.txt")) << "no draft is left, call " << n;
      EXPECT_TRUE(!clean || found == expected) << n;
      request.files = nullptr;
      ASSERT_TRUE(Publish(request)) << "and the next try passes";
      EXPECT_EQ(*ReadFile(request.destination), expected);
    }
  }
}

TEST(PublishTest, LackOfSpaceIsSaidBeforehandInBytes) {
  TempDir dir;
  auto request = Request(dir, {MakeShard(dir, 0, 2, {{0, 1}})});
  FailingFiles files;
  files.FreeBytes(11);
  request.files = &files;
  const auto published = Publish(request);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Code::kNoSpace);
  EXPECT_THAT(published.error().message, HasSubstr("11 bytes free, 12 are needed"));
  EXPECT_EQ(published.error().where, dir / "out");
  EXPECT_THAT(Names(dir / "out"), IsEmpty());
}

TEST(PublishTest, AFailedJobsRowsGoToAPartialFileAndNoneToNoFile) {
  TempDir dir;
  auto request = Request(dir, {MakeShard(dir, 0, 4, {{3, 1}})});
  EXPECT_THAT(Publish(request).error().message, HasSubstr("mini-batch 0 is not done"));
  request.complete = false;
  request.destination += ".partial";
  ASSERT_TRUE(Publish(request));
  EXPECT_EQ(*ReadFile(dir / "out/result.txt.partial"), "row 1\nrow 3\n");

  TempDir other;
  auto none = Request(other, {MakeShard(other, 0, 4, {})});
  none.complete = false;
  none.header = "name\n";
  EXPECT_EQ(Publish(none)->path, "");
  EXPECT_THAT(Names(other / "out"), IsEmpty());
}

struct Damage {
  const char* name;
  std::function<void(const TempDir&, PublishRequest*)> inflict;
  const char* says;
};

TEST(PublishTest, EveryDamageIsRefusedByPublishAndListedByTheAudit) {
  const std::vector<Damage> damages = {
      {"row byte",
       [](const TempDir& d, PublishRequest*) { FlipByte(d / "0-1-instance-0-x.rows", 7); },
       "mini-batch 1 do not match"},
      {"index byte",
       [](const TempDir& d, PublishRequest*) { FlipByte(d / "0-1-instance-0-x.index", 41); },
       "checksum"},
      {"rows file gone",
       [](const TempDir& d, PublishRequest*) {
         std::filesystem::remove(d / "0-1-instance-0-x.rows");
       },
       "missing"},
      {"rows file short",
       [](const TempDir& d, PublishRequest*) {
         std::filesystem::resize_file(d / "0-1-instance-0-x.rows", 5);
       },
       "5 bytes"},
      {"entry missing",
       [](const TempDir& d, PublishRequest* r) {
         r->shards[0] = MakeShard(d, 0, 3, {{0, 2}});
         r->shards[0].done_above.Add(1);
       },
       "mini-batch 1 is done in the ledger, but no segment has its entry"},
      {"entry twice",
       [](const TempDir& d, PublishRequest* r) {
         r->shards[0] = MakeShard(d, 0, 3, {{0, 1, 2}, {1}});
       },
       "mini-batch 1 was committed twice"},
      {"entry out of range",
       [](const TempDir& d, PublishRequest* r) {
         r->shards[0] = MakeShard(d, 0, 3, {{0, 1, 2, 4}});
       },
       "mini-batch 4 of segment 0-1-instance-0-x lies outside"},
      {"entry not done",
       [](const TempDir&, PublishRequest* r) { r->shards[0].done_above.Remove(2); },
       "mini-batch 2 has rows"},
      {"gap between shards", [](const TempDir&, PublishRequest* r) { r->shards[1].lo = 4; },
       "where mini-batch 3 comes next"},
      {"overlap of shards", [](const TempDir&, PublishRequest* r) { r->shards[1].lo = 2; },
       "where mini-batch 3 comes next"},
      {"last shard lost", [](const TempDir&, PublishRequest* r) { r->shards.pop_back(); },
       "the shards end at mini-batch 3, but there are 5"},
      {"absurd shard",
       [](const TempDir&, PublishRequest* r) { r->shards[1].hi = r->mini_batches = 1ULL << 60; },
       "a shard covers"},
      {"not sealed", [](const TempDir&, PublishRequest* r) { r->shards[0].sealed = false; },
       "shard 0 is not sealed"},
      {"mark of nowhere",
       [](const TempDir&, PublishRequest* r) { r->shards[0].outputs[0].segment = "../x"; },
       "no name of a segment"},
  };
  for (const Damage& damage : damages) {
    TempDir dir;
    auto request =
        Request(dir, {MakeShard(dir, 0, 3, {{0, 1, 2}}), MakeShard(dir, 3, 5, {{3, 4}})});
    damage.inflict(dir, &request);
    const auto published = Publish(request);
    ASSERT_FALSE(published) << damage.name;
    EXPECT_EQ(published.error().code, Code::kCorrupt) << damage.name;
    EXPECT_THAT(published.error().message, StartsWith("LedgerCorrupt: ")) << damage.name;
    EXPECT_THAT(published.error().hint, HasSubstr("delete the ParallelJob"));
    EXPECT_THAT(published.error().message, HasSubstr(damage.says)) << damage.name;
    EXPECT_THAT(Names(dir / "out"), IsEmpty()) << damage.name;
    const auto audit = AuditSegments(request);
    ASSERT_TRUE(audit) << damage.name;
    EXPECT_THAT(audit->findings, Contains(HasSubstr(damage.says))) << damage.name;
  }
}

TEST(PublishTest, TheAuditComparesAttemptsWithTheIndex) {
  TempDir dir;
  auto request = Request(dir, {MakeShard(dir, 0, 2, {{0, 1}})});
  auto writer = SegmentWriter::Open(dir.str(), "extra", std::nullopt);
  (*writer)->AppendAttempt(Attempt(0));  // ends it a second time
  (*writer)->AppendAttempt(Attempt(9));  // is of no mini-batch here
  request.shards[0].outputs.push_back(*(*writer)->Commit((*writer)->TakePending()));
  auto audit = AuditSegments(request);
  EXPECT_THAT(audit->findings, Contains(HasSubstr("two attempts of mini-batch 0")));
  EXPECT_THAT(audit->findings, Contains(HasSubstr("an attempt of mini-batch 9 lies outside")));

  auto silent = SegmentWriter::Open(dir.str(), "silent", std::nullopt);
  (*silent)->AppendRows(0, 2, "", 0);
  (*silent)->AppendRows(1, 1, "", 0);
  (*silent)->AppendAttempt(Attempt(0, 3, 0));
  request.shards[0].outputs = {*(*silent)->Commit((*silent)->TakePending())};
  audit = AuditSegments(request);
  EXPECT_THAT(audit->findings, ElementsAre(HasSubstr("the index has attempt 2"),
                                           HasSubstr("no record tells of its last attempt")));
  EXPECT_EQ(audit->retries, 1u);
}

TEST(PublishTest, AttemptsThatDoNotDecodeAreAFinding) {
  TempDir dir;
  auto request = Request(dir, {MakeShard(dir, 0, 2, {{0, 1}})});
  FlipByte(dir / "0-1-instance-0-x.attempts", 12);
  EXPECT_THAT(AuditSegments(request)->findings, Contains(HasSubstr("does not match its checksum")));
}

TEST(PublishTest, LeftoversOfAKilledPublisherGoAway) {
  TempDir dir;
  auto request = Request(dir, {MakeShard(dir, 0, 1, {{0}})});
  ASSERT_TRUE(WriteFileAtomic(dir / "out/.result.txt.publishing-1", "half"));
  ASSERT_TRUE(Publish(request));
  EXPECT_THAT(Names(dir / "out"), ElementsAre("result.txt"));
}

TEST(PublishTest, ADestinationThatCannotBeNamesThePath) {
  TempDir dir;
  auto request = Request(dir, {MakeShard(dir, 0, 1, {{0}})});
  std::filesystem::create_directories(dir / "out/result.txt/full");
  auto onto_folder = Publish(request);
  ASSERT_FALSE(onto_folder);
  EXPECT_EQ(onto_folder.error().where, request.destination);
  EXPECT_THAT(Names(dir / "out"), ElementsAre("result.txt"));
  request.destination = dir / "nowhere/result.txt";
  EXPECT_EQ(Publish(request).error().code, Code::kNotFound);
}

TEST(PublishTest, FindingsAreBounded) {
  TempDir dir;
  auto shard = MakeShard(dir, 0, 5000, {});
  shard.low_water = 5000;
  EXPECT_EQ(AuditSegments(Request(dir, {shard}))->findings.size(), limits::kFindings);
}

TEST(PublishTest, AnEmptyJobGivesAFileOfItsHeader) {
  TempDir dir;
  auto request = Request(dir, {});
  request.header = "h\n";
  EXPECT_EQ(Publish(request)->bytes, 2u);
  EXPECT_EQ(*ReadFile(request.destination), "h\n");
}

}  // namespace
}  // namespace pj::output
