#include <gmock/gmock.h>

#include <algorithm>
#include <regex>

#include "base/json.h"
#include "ledger/error_groups.h"
#include "report/error_files.h"
#include "report_fixture.h"

namespace pj::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

JobSummary Summary() {
  JobSummary s;
  s.job = "iris";
  s.state = "Failed";
  s.reason = "ErrorThresholdExceeded";
  s.message = "3 items failed, 2 are allowed";
  s.mini_batches_total = 10;
  s.mini_batches_succeeded = 6;
  s.mini_batches_failed = 3;
  s.not_run = 1;
  s.items_total = 50;
  s.items_succeeded = 30;
  s.items_failed = 15;
  s.retries = 4;
  s.duration_seconds = 2.5;
  s.outputs = {{"scores", "/out/scores.partial"}};
  s.logs = "/out/logs";
  s.errors = {{1, 7, {3, 4}, "ValueError: bad \x1b row", "user/stdout/x"},
              {2, 1, {9}, "other", ""}};
  s.recovered = {false, true};
  return s;
}

TEST(WriteReportsTest, TheWholeFolderIsThere) {
  TempDir dir;
  JobSummary summary = Summary();
  auto far = Bad(4, 2, "bad", true);
  far.node = "instance-1";
  far.process = 0;
  ASSERT_TRUE(
      WriteReports(dir.str(), &summary, From({Good(0), Bad(4, 1, "bad"), far, Good(9, 2)})));

  const std::string result = *ReadFile(dir / "job_result.txt");
  EXPECT_THAT(result,
              StartsWith("Failed: ErrorThresholdExceeded\n3 items failed, 2 are allowed\n"));
  EXPECT_THAT(result, HasSubstr("7 × ValueError: bad \\x1b row"));
  EXPECT_THAT(result, HasSubstr("mini-batches 3, 4; first logged in user/stdout/x"));
  EXPECT_THAT(result, HasSubstr("mini-batch 9; all succeeded later"));
  EXPECT_THAT(result, HasSubstr("scores: /out/scores.partial"));
  EXPECT_THAT(result, HasSubstr("10 planned, 6 succeeded, 3 failed, 1 not run"));
  EXPECT_THAT(result, HasSubstr("user/error.txt"));

  const std::string nodes = *ReadFile(dir / "sys/job_report/node_summary.csv");
  EXPECT_THAT(nodes,
              StartsWith("Node,Ip Address,Processes,Mini-batches,Succeeded,Failed,Attempts,"));
  EXPECT_THAT(nodes,
              HasSubstr("\ninstance-0,127.0.0.1,1,2,2,0,3,1,10,10,0,4.500000,0.750000,"
                        "0.003000,2026-01-31T12:00:00.123456Z,2026-01-31T12:00:01.623456Z\n"));
  EXPECT_THAT(nodes, HasSubstr("\ninstance-1,127.0.0.1,1,1,0,1,1,1,5,0,5,"));
  const std::string processes = *ReadFile(dir / "sys/job_report/process_summary.csv");
  EXPECT_THAT(processes, HasSubstr("\ninstance-0,127.0.0.1,process002,2,2,0,"));
  EXPECT_THAT(processes, HasSubstr("\ninstance-1,127.0.0.1,process000,1,0,1,"));

  EXPECT_THAT(*ReadFile(dir / "user/error.txt"), HasSubstr("ValueError: bad"));
  const std::string errors = *ReadFile(dir / "user/error/instance-0/process002.txt");
  EXPECT_THAT(errors, HasSubstr("mini-batch 4, attempt 1: RUN_EXCEPTION"));
  EXPECT_THAT(errors, HasSubstr("Traceback (most recent call last):\n  File"));
  EXPECT_THAT(*ReadFile(dir / "user/error/instance-1/process000.txt"), HasSubstr("(the last)"));

  const std::string readme = *ReadFile(dir / "readme.txt");
  std::string overview;
  for (const auto& entry : std::filesystem::directory_iterator(dir.str())) {
    const std::string name = entry.path().filename();
    if (!std::regex_match(name, std::regex("job_progress_overview\\.[0-9]{10}\\.txt"))) {
      EXPECT_TRUE(name == "readme.txt" || readme.contains(name)) << name << " is in no guide";
    } else {
      overview = *ReadFile(entry.path().string());
    }
  }
  EXPECT_THAT(overview, HasSubstr("9 of 10 mini-batches done (90.0 %), 3.6 a second"));
  EXPECT_THAT(overview, HasSubstr("instance-0: 2 mini-batches (0 failed) by 1 process, 1 retry"));
}

TEST(WriteReportsTest, OnlyAListThatWasCutHasMoreBehindIt) {
  TempDir dir;
  JobSummary summary = Summary();
  summary.errors = {{1, 9, {0, 1, 2}, "ValueError: a", ""},
                    {2, 5, {0, 1, 2, 3, 4}, "ValueError: b", ""},
                    {3, 6, {0, 1, 2, 3, 4}, "ValueError: c", ""}};
  summary.recovered = {false, false, false};
  ASSERT_TRUE(WriteReports(dir.str(), &summary, From({})));
  const std::string result = *ReadFile(dir / "job_result.txt");
  EXPECT_THAT(result, HasSubstr("9 × ValueError: a\n          mini-batches 0, 1, 2\n"));
  EXPECT_THAT(result, HasSubstr("5 × ValueError: b\n          mini-batches 0, 1, 2, 3, 4\n"));
  EXPECT_THAT(result, HasSubstr("6 × ValueError: c\n          mini-batches 0, 1, 2, 3, 4 …\n"));
}

TEST(WriteReportsTest, AJobThatNeverBeganNamesWhatTheScriptPrinted) {
  TempDir dir;
  JobSummary summary = Summary();
  summary.errors.clear();
  summary.recovered.clear();
  ASSERT_TRUE(WriteReports(dir.str(), &summary, From({})));
  EXPECT_THAT(*ReadFile(dir / "job_result.txt"), HasSubstr("\n  user/stderr, user/stdout "));
  EXPECT_THAT(*ReadFile(dir / "job_result.txt"), Not(HasSubstr("user/error.txt")));
}

TEST(WriteReportsTest, AFileOfErrorsDoesNotNameItself) {
  TempDir dir;
  JobSummary summary = Summary();
  auto own = Bad(4, 1, "own");
  own.log = "user/error/instance-0/process002.txt";
  ASSERT_TRUE(WriteReports(dir.str(), &summary, From({own, Bad(5, 1, "other")})));
  const std::string errors = *ReadFile(dir / "user/error/instance-0/process002.txt");
  EXPECT_THAT(errors, Not(HasSubstr("log: user/error/")));
  EXPECT_THAT(errors, HasSubstr("log: user/stdout/instance-0/process002.stdout.txt\n"));
}

TEST(WriteReportsTest, ACleanJobSaysSo) {
  TempDir dir;
  JobSummary summary;
  summary.job = "empty";
  summary.state = summary.reason = "Complete";
  ASSERT_TRUE(WriteReports(dir.str(), &summary, From({})));
  EXPECT_THAT(*ReadFile(dir / "job_result.txt"), StartsWith("Complete\n"));
  EXPECT_THAT(*ReadFile(dir / "job_result.txt"), Not(HasSubstr("What went wrong")));
  EXPECT_EQ(*ReadFile(dir / "user/error.txt"), "No attempt failed.\n");
  EXPECT_FALSE(std::filesystem::exists(dir / "user/error"));
}

TEST(WriteReportsTest, MoreRowsThanItemsAreTold) {
  TempDir dir;
  JobSummary summary = Summary();
  auto many = Good(0);
  many.rows = many.items_total + 1;
  auto retried = many;
  retried.terminal = false;
  ASSERT_TRUE(WriteReports(dir.str(), &summary, From({many, retried, Good(1)})));
  EXPECT_EQ(summary.more_rows, 1U);
  EXPECT_THAT(*ReadFile(dir / "job_result.txt"),
              HasSubstr("More rows:    1 mini-batch returned more rows than items\n"));
  ASSERT_TRUE(WriteReports(dir.str(), &summary, From({Good(1)})));
  EXPECT_THAT(*ReadFile(dir / "job_result.txt"), Not(HasSubstr("More rows")));
}

TEST(WriteReportsTest, WhatCannotBeWrittenIsToldAndTheRestIsThere) {
  TempDir dir;
  JobSummary summary = Summary();
  std::filesystem::create_directories(dir / "job_result.txt");
  const Status written = WriteReports(dir.str(), &summary, From({Bad(1, 1, "x")}));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().where, dir / "job_result.txt");
  EXPECT_TRUE(std::filesystem::exists(dir / "readme.txt"));
  EXPECT_TRUE(std::filesystem::exists(dir / "user/error/instance-0/process002.txt"));

  TempDir other;
  const Status unread = WriteReports(other.str(), &summary, [](const auto&) -> Status {
    return Fail(Code::kCorrupt, "LedgerCorrupt: x");
  });
  EXPECT_EQ(unread.error().code, Code::kCorrupt);
  EXPECT_TRUE(std::filesystem::exists(other / "job_result.txt"));
}

TEST(WriteReportsTest, ANodesNameIsNoWayOut) {
  TempDir dir;
  JobSummary summary = Summary();
  auto record = Bad(1, 1, "x");
  record.node = "../../evil";
  ASSERT_TRUE(WriteReports(dir / "logs", &summary, From({record})));
  EXPECT_TRUE(std::filesystem::exists(dir / "logs/user/error/_.._.._evil/process002.txt"));
}

TEST(ErrorFilesTest, AFilesLengthIsBoundedAndTheRestCounted) {
  TempDir dir;
  ErrorFiles files(dir.str());
  auto record = Bad(1, 1, "x");
  record.traceback = std::string(60'000, 't');
  for (int i = 0; i < 400; ++i) files.Add(record);
  ASSERT_TRUE(files.Finish());
  const std::string text = *ReadFile(dir / "instance-0/process002.txt");
  EXPECT_LT(text.size(), ErrorFiles::kMostBytes + 70'000);
  EXPECT_THAT(text.substr(text.size() - 200), HasSubstr("more failed attempts are not shown here"));
  size_t shown = 0;
  for (size_t at = 0; (at = text.find("attempt 1:", at)) != std::string::npos; ++at) ++shown;
  EXPECT_THAT(text, HasSubstr("\n" + std::to_string(400 - shown) + " more failed"));
}

TEST(SummaryJsonTest, ExactlyTheContractsFields) {
  const auto json = ParseJson(SummaryJson(Summary()));
  ASSERT_TRUE(json);
  EXPECT_EQ(DumpJson(*json),
            "{\"job\":\"iris\",\"state\":\"Failed\",\"reason\":\"ErrorThresholdExceeded\","
            "\"message\":\"3 items failed, 2 are allowed\","
            "\"miniBatches\":{\"total\":10,\"succeeded\":6,\"failed\":3,\"notRun\":1},"
            "\"items\":{\"total\":50,\"succeeded\":30,\"failed\":15},\"retries\":4,"
            "\"durationSeconds\":2.5,\"outputs\":{\"scores\":\"/out/scores.partial\"},"
            "\"logs\":\"/out/logs\",\"errors\":[{\"count\":7,\"message\":\"ValueError: bad \\\\x1b "
            "row\",\"miniBatches\":[3,4],\"log\":\"user/stdout/x\",\"recovered\":false},"
            "{\"count\":1,\"message\":\"other\",\"miniBatches\":[9],\"log\":\"\","
            "\"recovered\":true}]}");
}

TEST(SummaryJsonTest, EmptyListsAreListsAndBrokenTextIsEscaped) {
  JobSummary summary;
  summary.message = "line\nbroken \xff";
  const std::string text = SummaryJson(summary);
  EXPECT_THAT(text, HasSubstr("\"errors\":[]"));
  EXPECT_THAT(text, HasSubstr("\"outputs\":{}"));
  EXPECT_THAT(text, HasSubstr("\"message\":\"line\\nbroken \\\\udcff\""));
}

// 256 groups, each with the longest message that an attempt may have, of characters that become
// longer with every encoding.
JobSummary Worst() {
  JobSummary summary = Summary();
  summary.errors.clear();
  summary.recovered.clear();
  const char* bad[] = {"\"", "\\", "\x01", "\xff", "\xc3\xa4", "\xe2\x80\xae", "\xf0\x9f\x98\x80"};
  for (uint64_t i = 0; i < kMostGroups; ++i) {
    ledger::ErrorGroup group{.hash = i + 1, .count = 1000 - i, .first_ids = {5 * i, 5 * i + 1}};
    group.text = "ValueError " + std::to_string(i) + ": ";
    while (group.text.size() < limits::kMessageBytes) group.text += bad[i % std::size(bad)];
    group.log = "user/error/" + std::string(63, 'n') + "/process001.txt";
    summary.errors.push_back(std::move(group));
    summary.recovered.push_back(i % 2 == 0);
  }
  summary.message = std::string(100'000, '"');
  return summary;
}

size_t AsText(const std::string& json) { return DumpJson(Json(json)).size() - 2; }

uint64_t SumOfCounts(const Json& json) {
  uint64_t sum = 0;
  for (const Json& group : json["errors"]) sum += group["count"].get<uint64_t>();
  return sum;
}

TEST(SummaryJsonTest, TheLongestErrorsFitIntoTheObjectAndNoCountIsLost) {
  const JobSummary summary = Worst();
  const std::string text = SummaryJson(summary);
  EXPECT_LE(AsText(text), kSummaryBytes);
  EXPECT_GE(AsText(text), kSummaryBytes / 4) << "no more is cut than must be";
  const auto json = ParseJson(text);
  ASSERT_TRUE(json);
  const Json& errors = (*json)["errors"];
  ASSERT_EQ(errors.size(), kMostGroups);
  for (size_t i = 0; i < errors.size(); ++i) {
    EXPECT_EQ(errors[i]["count"], summary.errors[i].count);
    EXPECT_EQ(errors[i]["recovered"], static_cast<bool>(summary.recovered[i]));
    const auto message = errors[i]["message"].get<std::string>();
    EXPECT_THAT(message, StartsWith("ValueError " + std::to_string(i)));
    EXPECT_THAT(message, HasSubstr(" [...] "));
    EXPECT_THAT(message, Not(HasSubstr("\xef\xbf\xbd"))) << "cut within a character";
  }
  EXPECT_EQ((*json)["miniBatches"]["failed"], 3);
}

TEST(SummaryJsonTest, WhereShortTextsDoNotFitTheRarestGroupsAreMerged) {
  JobSummary summary = Worst();
  summary.errors[100].hash = ledger::kOtherErrors;
  summary.errors[100].text = "other errors";
  const std::string text = SummaryJson(summary, 16 << 10);
  EXPECT_LE(AsText(text), size_t{16} << 10);
  const auto json = ParseJson(text);
  ASSERT_TRUE(json);
  uint64_t sum = 0;
  for (const auto& group : summary.errors) sum += group.count;
  EXPECT_EQ(SumOfCounts(*json), sum);
  const Json& errors = (*json)["errors"];
  EXPECT_EQ(errors[0]["message"], "other errors") << "the most frequent of all now";
  EXPECT_EQ(errors[0]["recovered"], false);
  EXPECT_EQ(errors[0]["miniBatches"].size(), limits::kErrorGroupIds);
  EXPECT_THAT(errors[1]["message"].get<std::string>(), StartsWith("ValueError 0: "));
  EXPECT_EQ(errors[1]["count"], 1000);
  EXPECT_EQ(errors[1]["recovered"], true);
  EXPECT_GT(errors.size(), 8U);
}

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++count;
  return count;
}

// Two writers: the pod that failed, and whoever ends the job.
TEST(ErrorFilesTest, TheWholeFileIsNotAddedTo) {
  TempDir dir;
  const std::string path = dir / "instance-0/process002.txt";
  ErrorFiles growing(dir.str(), ErrorFiles::How::kGrowing);
  growing.Add(Bad(1, 1, "first"));
  ASSERT_TRUE(growing.Flush());
  EXPECT_EQ(Count(*ReadFile(path), "mini-batch 1,"), 1U);
  growing.Add(Bad(2, 1, "second"));  // held while the end comes
  ErrorFiles whole(dir.str());
  whole.Add(Bad(2, 1, "second"));
  whole.Add(Bad(1, 1, "first"));
  ASSERT_TRUE(whole.Flush());
  EXPECT_EQ(Count(*ReadFile(path), "mini-batch 2,"), 0U);  // nothing yet: readers see whole files
  ASSERT_TRUE(whole.Finish());
  const std::string end = *ReadFile(path);
  ASSERT_TRUE(growing.Flush());
  EXPECT_EQ(*ReadFile(path), end);
  EXPECT_EQ(Count(end, "mini-batch 2,"), 1U);
}

TEST(ErrorFilesTest, AFileOfAnEarlierStartIsBegunAnewOnce) {
  TempDir dir;
  const std::string path = dir / "instance-0/process002.txt";
  ErrorFiles earlier(dir.str(), ErrorFiles::How::kGrowing);
  earlier.Add(Bad(1, 1, "first"));
  ASSERT_TRUE(earlier.Flush());
  ErrorFiles growing(dir.str(), ErrorFiles::How::kGrowing);
  growing.Add(Bad(1, 1, "first"));
  ASSERT_TRUE(growing.Flush());
  growing.Add(Bad(2, 1, "second"));
  ASSERT_TRUE(growing.Flush());
  const std::string text = *ReadFile(path);
  EXPECT_EQ(Count(text, "mini-batch 1,"), 1U);
  EXPECT_EQ(Count(text, "mini-batch 2,"), 1U);
  earlier.Add(Bad(3, 1, "late"));  // of a pod that was declared dead
  ASSERT_TRUE(earlier.Flush());
  EXPECT_EQ(*ReadFile(path), text);
}

}  // namespace
}  // namespace pj::report
