// What `fetch` keeps for `verify`, and what that finds.
#include "cli/fetched_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "report/report.h"
#include "unit/temp_dir.h"

namespace pj::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kRows[] = "a,b\n1,2\n";

class FetchedJobTest : public testing::Test {
 protected:
  FetchedJobTest() {
    std::filesystem::create_directories(dir_ / "outputs/rows");
    EXPECT_TRUE(WriteFileAtomic(output_, kRows));
    WriteReport(3);
    report::JobSummary summary;
    summary.mini_batches_total = 3;
    summary.mini_batches_succeeded = 2;
    summary.mini_batches_failed = 1;
    summary.items_succeeded = 10;
    summary.retries = 1;
    job_.result.summary_json = report::SummaryJson(summary);
    job_.result.published_path = "/paralleljob/outputs/rows/a.csv";
    job_.result.published_bytes = sizeof kRows - 1;
    job_.result.published_crc = Crc32c(kRows);
  }

  // Attempts of so many mini-batches: the second fails twice, with a text over several lines.
  void WriteReport(uint64_t mini_batches) {
    const std::string path = report::ProcessedCsvPath(dir_ / "logs");
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const auto csv = report::ProcessedCsv::Create(path);
    ASSERT_TRUE(csv);
    for (uint64_t id = 0; id < mini_batches; ++id) {
      output::AttemptRecord record{.mini_batch = id, .terminal = true, .items_ok = 5};
      if (id == 1) {
        record.status = ledger::AttemptStatus::kRunException;
        record.items_ok = 0;
        record.message = "first\n\"second\", third\n7,7,7";
        (*csv)->Add(record);
        record.attempt = 2;
      }
      (*csv)->Add(record);
    }
  }

  void AddRow(output::AttemptRecord record) {
    const std::string path = report::ProcessedCsvPath(dir_ / "logs");
    const std::string other = dir_ / "row.csv";
    (*report::ProcessedCsv::Create(other))->Add(record);
    const std::string row = ReadFile(other, 1 << 20).value();
    const std::string text = ReadFile(path, 1 << 20).value();
    ASSERT_TRUE(WriteFileAtomic(path, text + row.substr(row.find('\n') + 1)));
  }

  const TempDir dir_;
  const std::string output_ = dir_ / "outputs/rows/a.csv";
  FetchedJob job_{.job = "score", .ns = "team"};
};

TEST_F(FetchedJobTest, ComesBackAsItWasSaved) {
  EXPECT_FALSE(LoadFetched(dir_.str()).value());
  job_.logs = false;
  job_.result.exit_code = 1;
  ASSERT_TRUE(SaveFetched(dir_.str(), job_));
  const auto found = LoadFetched(dir_.str());
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->job, "score");
  EXPECT_EQ((*found)->ns, "team");
  EXPECT_FALSE((*found)->logs);
  EXPECT_EQ((*found)->result.exit_code, 1);
  EXPECT_EQ((*found)->result.summary_json, job_.result.summary_json);
  EXPECT_EQ((*found)->result.published_crc, job_.result.published_crc);
  DropFetched(dir_.str());
  EXPECT_FALSE(LoadFetched(dir_.str()).value());
}

TEST_F(FetchedJobTest, AnotherTextIsRefused) {
  for (const char* text : {"", "[]", "{}", "{\"summary\":7}"}) {
    std::filesystem::create_directories(dir_ / ".paralleljob");
    ASSERT_TRUE(WriteFileAtomic(dir_ / ".paralleljob/fetched.json", text));
    EXPECT_FALSE(LoadFetched(dir_.str())) << text;
  }
}

// A number that is missing is not zero: an exit code of 0 is success.
TEST_F(FetchedJobTest, APartOfATextIsRefused) {
  ASSERT_TRUE(SaveFetched(dir_.str(), job_));
  const std::string file = dir_ / ".paralleljob/fetched.json";
  const Json whole = ParseJson(ReadFile(file, 1 << 20).value()).value();
  EXPECT_EQ(whole.size(), 9u);
  for (const auto& [key, value] : whole.items()) {
    Json part = whole;
    part.erase(key);
    ASSERT_TRUE(WriteFileAtomic(file, DumpJson(part)));
    EXPECT_FALSE(LoadFetched(dir_.str())) << key;
    part[key] = value.is_string() ? Json(7) : Json("7");
    ASSERT_TRUE(WriteFileAtomic(file, DumpJson(part)));
    EXPECT_FALSE(LoadFetched(dir_.str())) << key;
  }
  for (const char* key : {"exitCode", "crc"}) {
    Json part = whole;
    part[key] = uint64_t{1} << 32;
    ASSERT_TRUE(WriteFileAtomic(file, DumpJson(part)));
    EXPECT_FALSE(LoadFetched(dir_.str())) << key;
  }
}

TEST_F(FetchedJobTest, WholeFilesAgree) { EXPECT_THAT(VerifyFetched(dir_.str(), job_), IsEmpty()); }

TEST_F(FetchedJobTest, ADamagedOrMissingOutputIsFound) {
  ASSERT_TRUE(WriteFileAtomic(output_, "a,b\n1,3\n"));
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), Contains(HasSubstr("checksum of the output file")));
  ASSERT_TRUE(WriteFileAtomic(output_, "a,b\n"));
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), Contains(HasSubstr("expected 8, found 4")));
  std::filesystem::remove(output_);
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), Contains(HasSubstr(output_)));
  job_.result.published_path = "/etc/passwd";
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), Contains(HasSubstr("not below the pods' outputs")));
}

TEST_F(FetchedJobTest, AnAttemptWhoseRetryNeverRanIsNoError) {
  report::JobSummary summary;
  summary.mini_batches_total = 6;
  summary.mini_batches_succeeded = 2;
  summary.mini_batches_failed = 1;
  summary.items_succeeded = 10;
  summary.retries = 1;
  job_.result.exit_code = 1;
  job_.result.summary_json = report::SummaryJson(summary);
  AddRow({.mini_batch = 4, .status = ledger::AttemptStatus::kRunException, .items_ok = 0});
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), IsEmpty());
  AddRow({.mini_batch = 5, .status = ledger::AttemptStatus::kRunShort, .items_ok = 3});
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), IsEmpty());
  AddRow({.mini_batch = 3, .status = ledger::AttemptStatus::kRunDone, .items_ok = 5});
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), Contains(HasSubstr("expected 5, found 6")));
}

TEST_F(FetchedJobTest, AReportThatTellsOfOtherAttemptsIsFound) {
  WriteReport(2);
  const Findings findings = VerifyFetched(dir_.str(), job_);
  EXPECT_THAT(findings, Contains(HasSubstr("mini-batches of processed_mini-batches.csv, against "
                                           "the result: expected 3, found 2")));
  EXPECT_THAT(findings, Contains(HasSubstr("retries: expected 4, found 3")));
  EXPECT_THAT(findings, Contains(HasSubstr("expected 10, found 5")));
  job_.logs = false;  // they were left behind
  EXPECT_THAT(VerifyFetched(dir_.str(), job_), IsEmpty());
}

}  // namespace
}  // namespace pj::cli
