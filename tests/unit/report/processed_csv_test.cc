#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "report_fixture.h"

namespace pj::report {
namespace {

constexpr const char* kHeader =
    "Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,Elapsed "
    "Seconds,Process Seconds,Run Method Seconds,Status,Error Category,Error Message,Mini-batch "
    "Detail\n";

TEST(ProcessedCsvTest, OneRowAnAttempt) {
  TempDir dir;
  const std::string path = dir / "sys/job_report/processed_mini-batches.csv";
  auto csv = ProcessedCsv::Create(path);
  ASSERT_TRUE(csv);
  EXPECT_EQ(*ReadFile(path), kHeader) << "the header stands at once";
  (*csv)->Add(Bad(0, 1, "bad, \"row\"\n7"));
  (*csv)->Add(Good(0, 2));
  (*csv)->Flush();
  EXPECT_EQ(*ReadFile(path),
            std::string(kHeader) +
                "0,1,127.0.0.1,process002,2026-01-31T12:00:00.123456Z,5,0,5,1.500000,0.250000,"
                "0.001000,RUN_EXCEPTION,ValueError,\"bad, \"\"row\"\"\\n7\",a.csv\n"
                "0,2,127.0.0.1,process002,2026-01-31T12:00:00.123456Z,5,5,0,1.500000,0.250000,"
                "0.001000,RUN_DONE,,,a.csv\n");
  EXPECT_EQ((*csv)->Dropped(), 0u);
}

TEST(ProcessedCsvTest, ANewRunReplacesTheFile) {
  TempDir dir;
  for (int run = 0; run < 2; ++run) {
    auto csv = ProcessedCsv::Create(dir / "p.csv");
    (*csv)->Add(Good(static_cast<uint64_t>(run)));
  }
  EXPECT_THAT(*ReadFile(dir / "p.csv"), ::testing::HasSubstr("\n1,1,"));
  EXPECT_THAT(*ReadFile(dir / "p.csv"), ::testing::Not(::testing::HasSubstr("\n0,1,")));
}

TEST(ProcessedCsvTest, ManyThreadsWriteWholeRows) {
  TempDir dir;
  auto csv = ProcessedCsv::Create(dir / "p.csv");
  {
    std::vector<std::jthread> threads;
    for (uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (uint64_t i = 0; i < 2000; ++i) {
          (*csv)->Add(Good(t * 2000 + i));
          if (i % 500 == 0) (*csv)->Flush();
        }
      });
    }
  }
  (*csv)->Flush();
  const std::string text = *ReadFile(dir / "p.csv");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 8001);
  EXPECT_EQ(std::count(text.begin(), text.end(), ','), 8001 * 14);
}

TEST(ProcessedCsvTest, AFolderThatCannotBeCountsRowsAndStopsNothing) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomic(dir / "file", ""));
  auto csv = ProcessedCsv::Create(dir / "file/p.csv");
  ASSERT_TRUE(csv);
  (*csv)->Add(Good(1));
  (*csv)->Add(Good(2));
  (*csv)->Flush();
  EXPECT_EQ((*csv)->Dropped(), 2u);
  std::filesystem::remove(dir / "file");  // the storage is back
  (*csv)->Add(Good(3));
  (*csv)->Flush();
  EXPECT_EQ((*csv)->Dropped(), 2u);
  EXPECT_THAT(*ReadFile(dir / "file/p.csv"), ::testing::HasSubstr("\n3,1,"));
}

// A disk that fills up in the middle of a row, played by the limit on file sizes.
TEST(ProcessedCsvTest, ATornRowIsTakenBack) {
  TempDir dir;
  auto csv = ProcessedCsv::Create(dir / "p.csv");
  (*csv)->Add(Good(1));
  (*csv)->Flush();
  const std::string whole = *ReadFile(dir / "p.csv");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = whole.size() + 10;
  ::setrlimit(RLIMIT_FSIZE, &tight);
  (*csv)->Add(Good(2));
  (*csv)->Flush();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ((*csv)->Dropped(), 1u);
  EXPECT_EQ(*ReadFile(dir / "p.csv"), whole);
  (*csv)->Add(Good(3));
  (*csv)->Flush();
  EXPECT_EQ((*csv)->Dropped(), 1u);
  EXPECT_THAT(*ReadFile(dir / "p.csv"), ::testing::StartsWith(whole + "3,1,"));
}

}  // namespace
}  // namespace pj::report
