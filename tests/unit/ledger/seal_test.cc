// Rule 10: the seal.
#include <gtest/gtest.h>

#include "tests/unit/ledger/farm.h"

namespace pj::ledger {
namespace {

TEST(Seal, SealsAllAndCreatesWhatIsMissing) {
  TinyStore store;
  const JobIdentity id{"uid", 1};
  ShardRecord root;
  root.job = id;
  root.hi = 20;
  root.horizon = 20;
  root.low_water = 5;
  root.holder = "instance-0";
  root.tickets = {{30, 50}, {20, 30}};
  store.Do({0, Call::Op::kCreate, ShardName("job", id, 0), {}, EncodeShard(root)});
  Sealer sealer("job", id, 100, 2, "seal");
  auto call = sealer.Step(nullptr);
  while (call && *call) {
    const Reply reply = store.Do(**call);
    call = sealer.Step(&reply);
  }
  ASSERT_TRUE(call.has_value()) << call.error().ToString();
  const auto shards = sealer.TakeShards();
  ASSERT_EQ(shards.size(), 4U);
  uint64_t at = 0;
  for (const ShardRecord& shard : shards) {
    EXPECT_EQ(shard.lo, at);
    EXPECT_TRUE(shard.sealed);
    EXPECT_TRUE(store.Read(ShardName("job", id, shard.lo)) == shard);
    at = shard.hi;
  }
  EXPECT_EQ(at, 100U);
  EXPECT_EQ(shards[0].epoch, 2U);
  EXPECT_EQ(shards[0].DoneCount(), 5U);
}

TEST(Seal, AGapIsLedgerCorrupt) {
  TinyStore store;
  const JobIdentity id{"uid", 1};
  ShardRecord root;
  root.job = id;
  root.hi = 20;  // and no ticket for the rest
  store.Do({0, Call::Op::kCreate, ShardName("job", id, 0), {}, EncodeShard(root)});
  Sealer sealer("job", id, 100, 1, "seal");
  auto call = sealer.Step(nullptr);
  while (call && *call) {
    const Reply reply = store.Do(**call);
    call = sealer.Step(&reply);
  }
  ASSERT_FALSE(call.has_value());
  EXPECT_EQ(call.error().code, Code::kCorrupt);
}

TEST(Seal, ANewTryGoesOnWhereADeadOneStopped) {
  const JobIdentity id{"uid", 1};
  for (int stop = 0; stop < 12; ++stop) {
    TinyStore store;
    for (int attempt = 0; attempt < 2; ++attempt) {
      Sealer sealer("job", id, 100, 3, "seal-" + std::to_string(attempt));
      auto call = sealer.Step(nullptr);
      for (int steps = 0; call && *call && (attempt == 1 || steps < stop); ++steps) {
        const Reply reply = store.Do(**call);
        call = sealer.Step(&reply);
      }
      if (attempt == 0) continue;
      ASSERT_TRUE(call.has_value() && !call->has_value());
      EXPECT_EQ(sealer.TakeShards().size(), 3U);
    }
  }
}

}  // namespace
}  // namespace pj::ledger
