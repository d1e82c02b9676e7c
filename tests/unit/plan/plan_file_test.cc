#include "plan/plan_file.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <thread>

#include "base/rng.h"
#include "plan_fixture.h"

namespace pj::plan {
namespace {

using Unit = PlanRequest::SizeUnit;

class PlanFileTest : public PlanFixture {
 protected:
  std::string Bytes() {
    std::ifstream in(dir_ + "/plan", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Reads everything that a plan has; the error, or success.
  Status ReadAll(const std::string& bytes) {
    const std::string file = dir_ + "/damaged";
    std::ofstream(file, std::ios::binary) << bytes;
    return ReadFrom(file);
  }
  static Status ReadFrom(const std::string& file) {
    auto plan = OpenPlan(file);
    if (!plan) return std::unexpected(plan.error());
    for (uint64_t i = 0; i < (*plan)->size(); ++i) {
      std::string payload;
      PJ_TRY((*plan)->AppendPayload(i, &payload));
      PJ_TRY((*plan)->Items(i));
    }
    return {};
  }
  void MakeTablePlan() {
    Put("a.csv", "k,v\nx,1\nx,2\ny,3\nx,4\n");
    Put("b.csv", "k,v\ny,5\n");
    PlanRequest request = Table(Unit::kBytes, 1);
    request.partition_keys = {"k"};
    ASSERT_TRUE(Build(request));
  }
};

TEST_F(PlanFileTest, EveryTruncationIsCorrupt) {
  MakeTablePlan();
  const std::string bytes = Bytes();
  ASSERT_TRUE(ReadAll(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Status read = ReadAll(bytes.substr(0, size));
    ASSERT_FALSE(read) << size;
    ASSERT_EQ(read.error().code, Code::kCorrupt) << read.error().ToString();
  }
  EXPECT_FALSE(ReadAll(bytes + "x"));
}

TEST_F(PlanFileTest, EveryFlippedBitIsCorrupt) {
  MakeTablePlan();
  const std::string bytes = Bytes();
  std::fstream file(dir_ + "/plan", std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](size_t at, int byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte)).flush();
  };
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    put(bit / 8, bytes[bit / 8] ^ 1 << bit % 8);
    const Status read = ReadFrom(dir_ + "/plan");
    ASSERT_FALSE(read) << bit;
    ASSERT_EQ(read.error().code, Code::kCorrupt) << read.error().ToString();
    put(bit / 8, bytes[bit / 8]);
  }
  EXPECT_TRUE(ReadFrom(dir_ + "/plan"));
}

// A file whose checksums are right and whose content is not: no crash, no endless loop.
TEST_F(PlanFileTest, NonsenseWithGoodChecksumsIsCorruptOrHarmless) {
  Rng rng(5);
  for (int round = 0; round < 300; ++round) {
    auto writer = PlanWriter::Create(dir_ + "/plan");
    ASSERT_TRUE(writer);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE((*writer)->AddFile({"/f" + std::to_string(i), 9, 1}));
    PlanWriter::BodyHead head;
    head.pieces = rng.Below(4);
    head.items = rng.Below(5);
    std::string pieces(rng.Below(12), '\0');
    for (char& c : pieces) c = static_cast<char>(rng.Below(3) == 0 ? rng.Next() : rng.Below(8));
    head.piece_bytes = pieces.size() + (rng.Below(10) == 0 ? 1 + rng.Below(1'000) : 0);
    ASSERT_TRUE((*writer)->BeginMiniBatch(head));
    ASSERT_TRUE((*writer)->Append(pieces));
    PlanMeta meta;
    meta.sources = {"data"};
    meta.table = rng.Below(2) == 0;
    meta.schema.headers.resize(1);
    ASSERT_TRUE((*writer)->Finish(meta));
    auto plan = OpenPlan(dir_ + "/plan");
    ASSERT_TRUE(plan) << plan.error().ToString();
    auto mini_batch = (*plan)->Get(0);
    if (!mini_batch) {
      EXPECT_EQ(mini_batch.error().code, Code::kCorrupt);
    } else if (!meta.table) {
      EXPECT_EQ(mini_batch->files.size(), head.items);
    }
  }
}

TEST_F(PlanFileTest, LargePlansReadBackFromAnywhereAndFromThreads) {
  constexpr uint64_t kFiles = 40'000;
  auto writer = PlanWriter::Create(dir_ + "/plan");
  ASSERT_TRUE(writer);
  const auto path = [](uint64_t i) {
    return "/folder/" + std::to_string(i / 100) + "/" + std::string(i % 37, 'n') +
           std::to_string(i);
  };
  for (uint64_t i = 0; i < kFiles; ++i) {
    auto number = (*writer)->AddFile({path(i), i * 3, static_cast<int64_t>(i) * 1'000 - 77});
    ASSERT_TRUE(number);
    PieceList pieces;
    pieces.AddFiles(*number, 1);
    ASSERT_TRUE((*writer)->AddMiniBatch(0, {}, pieces));
  }
  PlanMeta meta;
  meta.sources = {"data"};
  ASSERT_TRUE((*writer)->Finish(meta));
  auto plan = OpenPlan(dir_ + "/plan");
  ASSERT_TRUE(plan);
  const auto check = [&](uint64_t seed) {
    Rng rng(seed);
    for (int k = 0; k < 3'000; ++k) {
      const uint64_t i = rng.Below(kFiles);
      auto got = (*plan)->Get(i);
      ASSERT_TRUE(got) << got.error().ToString();
      ASSERT_EQ(got->files.size(), 1u);
      ASSERT_EQ(got->files[0], (FileRef{path(i), i * 3, static_cast<int64_t>(i) * 1'000 - 77}));
    }
  };
  std::jthread other(check, 1);
  check(2);
}

TEST_F(PlanFileTest, AnAbandonedWriterLeavesNothing) {
  {
    ASSERT_TRUE(PlanWriter::Create(dir_ + "/plan"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(data_));
  size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
    entries += entry.path() == data_ ? 0 : 1;
  }
  EXPECT_EQ(entries, 0u);
}

TEST(Payload, RoundTripAndDamage) {
  Rng rng(9);
  MiniBatch table;
  table.keys = {{"k", "v"}, {"", std::string("\0x", 2)}};
  table.ranges = {{{"/a\n", 1'000, -5}, 3, 900, 12, 1}, {{"/b", 0, 0}, 0, 0, 0, 0}};
  table.items = 12;
  MiniBatch files;
  files.files = {{"/x", 1, INT64_MAX}, {"/y", UINT64_MAX, INT64_MIN}};
  files.items = 2;
  for (const MiniBatch& batch : {table, files}) {
    std::string payload = "front";
    EncodePayload(batch, &payload);
    ASSERT_TRUE(payload.starts_with("front"));
    payload.erase(0, 5);
    auto back = DecodePayload(payload);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->files, batch.files);
    EXPECT_EQ(back->ranges, batch.ranges);
    EXPECT_EQ(back->keys, batch.keys);
    EXPECT_EQ(back->items, batch.items);
    for (size_t size = 0; size < payload.size(); ++size) {
      EXPECT_FALSE(DecodePayload(payload.substr(0, size)));
    }
    EXPECT_FALSE(DecodePayload(payload + "x"));
    for (int round = 0; round < 5'000; ++round) {
      std::string damaged = payload;
      damaged[rng.Below(damaged.size())] = static_cast<char>(rng.Next());
      auto decoded = DecodePayload(damaged);
      EXPECT_TRUE(decoded || decoded.error().code == Code::kCorrupt);
    }
  }
}

}  // namespace
}  // namespace pj::plan
