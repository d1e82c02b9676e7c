// Record and control codecs: round trips, damage, bounds, versions; names and roots.
#include <gtest/gtest.h>

#include "base/byte_io.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/rng.h"
#include "ledger/error_groups.h"
#include "ledger/record.h"

namespace pj::ledger {
namespace {

ShardRecord Full() {
  ShardRecord r;
  r.job = {"8c7f-uid", 3};
  r.lo = 1000;
  r.hi = 2000;
  r.holder = "instance-1";
  r.incarnation = "abc";
  r.epoch = 4;
  r.write_id = {"abc.instance-1", 99};
  r.horizon = 1500;
  r.low_water = 1100;
  r.done_above.Add(1105, 1110);
  r.done_above.Add(1200);
  r.failed.Add(1003);
  r.failed.Add(1107);
  r.attempts = {{1102, 1}, {1300, 2}};
  r.alone = {{1102, 2}};
  r.outputs = {{"1000-1-instance-0-x", 10, 40, 7, 0xdeadbeef}, {"1000-4-i", 1, 80, 3, 5}};
  r.counters = {1, 2, 3, 4, 5, 6};
  r.errors = {{42, 7, {1003, 1107}, "ValueError: é", "logs/a.txt"}};
  r.progress = 12;
  r.barren_epochs = 2;
  r.tickets = {{2500, 3000}, {2000, 2500}};
  r.sealed = true;
  return r;
}

// The checksum of a changed payload put right, so that structure checks are reached.
std::string Resealed(std::string bytes) {
  bytes.resize(bytes.size() - 4);
  ByteWriter tail;
  tail.U32(Crc32c(bytes));
  return bytes + tail.str();
}

TEST(ShardCodec, EveryFieldComesBack) {
  const auto back = DecodeShard(EncodeShard(Full()));
  ASSERT_TRUE(back.has_value()) << back.error().ToString();
  EXPECT_TRUE(*back == Full());
  ShardRecord least;
  least.hi = 1;
  EXPECT_TRUE(*DecodeShard(EncodeShard(least)) == least);
}

TEST(ShardCodec, EveryFlippedBitIsLedgerCorrupt) {
  const std::string good = EncodeShard(Full());
  for (size_t i = 0; i < good.size() * 8; ++i) {
    std::string bad = good;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    const auto result = DecodeShard(bad);
    ASSERT_FALSE(result.has_value()) << i;
    ASSERT_EQ(result.error().code, Code::kCorrupt) << i;
    ASSERT_TRUE(result.error().message.starts_with("LedgerCorrupt")) << result.error().message;
  }
}

TEST(ShardCodec, EveryTruncationIsLedgerCorruptWithARightChecksumToo) {
  const std::string good = EncodeShard(Full());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(DecodeShard(good.substr(0, size)).error().code, Code::kCorrupt) << size;
    if (size < 8) continue;
    EXPECT_EQ(DecodeShard(Resealed(good.substr(0, size))).error().code, Code::kCorrupt) << size;
  }
  EXPECT_FALSE(DecodeShard(good + "x").has_value());
}

TEST(ShardCodec, DamageBehindARightChecksumNeverCrashes) {
  const std::string good = EncodeShard(Full());
  Rng rng(5);
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = good;
    for (uint64_t n = 1 + rng.Below(3); n > 0; --n) {
      bad[4 + rng.Below(bad.size() - 8)] = static_cast<char>(rng.Below(256));
    }
    const auto result = DecodeShard(Resealed(bad));
    if (result) {
      EXPECT_LE(result->low_water, result->horizon);
      EXPECT_LE(result->hi - result->lo, limits::kShardMiniBatches);
    } else {
      EXPECT_EQ(result.error().code, Code::kCorrupt);
    }
  }
}

TEST(ShardCodec, ANewerVersionIsToldFromDamage) {
  std::string newer = EncodeShard(Full());
  newer[3] = 2;
  const auto result = DecodeShard(Resealed(newer));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kInvalid);
  EXPECT_NE(result.error().message.find("version 2"), std::string::npos);
}

TEST(ShardCodec, ImpossibleRecordsAreRefused) {
  const auto refused = [](auto change) {
    ShardRecord record = Full();
    change(&record);
    const auto result = DecodeShard(EncodeShard(record));
    return !result && result.error().code == Code::kCorrupt;
  };
  EXPECT_TRUE(refused([](ShardRecord* r) { r->horizon = 1150; }));         // done beyond
  EXPECT_TRUE(refused([](ShardRecord* r) { r->low_water = 1106; }));       // done twice
  EXPECT_TRUE(refused([](ShardRecord* r) { r->failed.Add(1400); }));       // failed, not done
  EXPECT_TRUE(refused([](ShardRecord* r) { r->tickets[0].mid = 1500; }));  // inside
  EXPECT_TRUE(refused([](ShardRecord* r) { r->hi = 1000 + 65'537; }));
  EXPECT_TRUE(refused([](ShardRecord* r) { r->epoch = 0; }));
}

TEST(ShardCodec, TheWorstCaseStaysWithinItsBudget) {
  ShardRecord r;
  r.job = {"uid", 1};
  r.hi = r.horizon = limits::kShardMiniBatches;
  for (uint64_t i = 1; i < r.hi; i += 2) r.done_above.Add(i);
  for (uint64_t i = 1; i < r.hi; i += 4) r.failed.Add(i);
  const std::string bytes = EncodeShard(r);
  EXPECT_LT(bytes.size(), 17U << 10);
  EXPECT_TRUE(*DecodeShard(bytes) == r);
  EXPECT_LT(EncodeShard(Full()).size(), 400U);
}

TEST(ShardCodec, RandomSetsComeBack) {
  Rng rng(9);
  for (int round = 0; round < 300; ++round) {
    ShardRecord r;
    r.lo = rng.Below(1'000'000);
    r.hi = r.horizon = r.lo + 1 + rng.Below(3000);
    r.low_water = r.lo;
    const uint64_t sparse = 1 + rng.Below(20);
    for (uint64_t i = r.lo + 1; i < r.hi; ++i) {
      if (rng.Below(sparse) == 0) r.done_above.Add(i);
    }
    ASSERT_TRUE(*DecodeShard(EncodeShard(r)) == r) << round;
  }
}

TEST(ControlCodec, RoundTripAndDamage) {
  const Control control{Control::Mode::kAbort, "why", Seconds(5), {1, 2}, {3}};
  const std::string good = EncodeControl(control);
  EXPECT_TRUE(*DecodeControl(good) == control);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(DecodeControl(bad).has_value()) << i;
  }
  EXPECT_FALSE(DecodeControl(EncodeShard(Full())).has_value());
}

TEST(Names, RunsOfOneJobDoNotCollide) {
  const JobIdentity first{"uid", 1};
  const JobIdentity second{"uid", 2};
  EXPECT_EQ(first.ShortHash().size(), 8U);
  EXPECT_NE(first.ShortHash(), second.ShortHash());
  EXPECT_EQ(ShardName("iris", first, 42), "iris-" + first.ShortHash() + "-s-42");
  EXPECT_EQ(ChildName("iris", first, "plan"), "iris-" + first.ShortHash() + "-plan");
}

TEST(Roots, PartitionTheJobAndKeepTheBound) {
  for (const uint64_t m : {1ULL, 2ULL, 9ULL, 65'536ULL, 65'537ULL, 1'000'000ULL}) {
    for (const uint64_t instances : {0ULL, 1ULL, 3ULL, 16ULL}) {
      const uint64_t roots = RootCount(m, instances);
      EXPECT_EQ(RootBegin(m, roots, 0), 0U);
      EXPECT_EQ(RootBegin(m, roots, roots), m);
      for (uint64_t i = 0; i < roots; ++i) {
        const uint64_t length = RootBegin(m, roots, i + 1) - RootBegin(m, roots, i);
        EXPECT_GE(length, 1U);
        EXPECT_LE(length, limits::kShardMiniBatches);
      }
    }
  }
  EXPECT_EQ(RootCount(0, 4), 0U);
}

TEST(ErrorGroups, CountsStayExactWithinTheBudget) {
  std::vector<ErrorGroup> groups;
  for (uint64_t i = 0; i < 30; ++i) {
    MergeErrorGroup({i % 10, 1, {100 - i}, std::string(300, 'x'), "log"}, limits::kErrorGroups,
                    &groups);
  }
  EXPECT_EQ(groups.size(), limits::kErrorGroups);
  uint64_t sum = 0;
  for (const ErrorGroup& group : groups) {
    sum += group.count;
    EXPECT_LE(group.text.size(), limits::kErrorGroupBytes);
    EXPECT_LE(group.first_ids.size(), limits::kErrorGroupIds);
    EXPECT_TRUE(std::is_sorted(group.first_ids.begin(), group.first_ids.end()));
  }
  EXPECT_EQ(sum, 30U);
  EXPECT_EQ(groups.back().hash, kOtherErrors);
}

}  // namespace
}  // namespace pj::ledger
