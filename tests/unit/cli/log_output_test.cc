#include "cli/log_output.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <functional>
#include <sstream>

#include "base/json.h"

namespace pj::cli {
namespace {

const LogSource kAgent{.instance = 2, .pod = "x-2", .container = "agent"};
const LogSource kFile{.file = "logs/job_result.txt"};

std::string Printed(bool json, const std::function<void(LogOutput*)>& print) {
  testing::internal::CaptureStdout();
  LogOutput out(json);
  print(&out);
  std::fflush(stdout);
  return testing::internal::GetCapturedStdout();
}

void PrintBoth(LogOutput* out) {
  out->Begin(kAgent);
  EXPECT_TRUE(out->Append("one\ntw"));
  EXPECT_TRUE(out->Append("o \"x\"\n\nlast"));
  out->End();
  out->Text(kFile, "done\n");
}

TEST(LogOutput, TextsStandBelowHeadings) {
  EXPECT_EQ(Printed(false, PrintBoth),
            "==> instance 2: x-2/agent <==\none\ntwo \"x\"\n\nlast\n"
            "==> logs/job_result.txt <==\ndone\n");
}

TEST(LogOutput, JsonIsAnObjectForEachLine) {
  std::istringstream lines(Printed(true, PrintBoth));
  std::vector<std::string> texts;
  for (std::string line; std::getline(lines, line);) {
    const Json one = ParseJson(line).value();
    if (one.contains("file")) {
      EXPECT_EQ(one["file"], "logs/job_result.txt");
    } else {
      EXPECT_EQ(one["instance"], 2);
      EXPECT_EQ(one["pod"], "x-2");
      EXPECT_EQ(one["container"], "agent");
    }
    texts.push_back(one["line"]);
  }
  EXPECT_THAT(texts, testing::ElementsAre("one", "two \"x\"", "", "last", "done"));
}

TEST(LogOutput, LinesThatTakeTurnsSayWhoseTheyAre) {
  const auto print = [](LogOutput* out) { out->Line(kAgent, "hello"); };
  EXPECT_EQ(Printed(false, print), "[2/agent] hello\n");
  EXPECT_EQ(ParseJson(Printed(true, print)).value()["line"], "hello");
}

}  // namespace
}  // namespace pj::cli
