#include "base/process.h"

#include <gtest/gtest.h>

namespace pj {
namespace {

using Words = std::vector<std::string>;

TEST(Process, GivesOutputAndExitCode) {
  const auto result = RunProcess({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(result.has_value()) << result.error().ToString();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->output, "out\nerr\n");
}

TEST(Process, KeepsStderrApartAndAddsToTheEnvironment) {
  const auto result =
      RunProcess({"sh", "-c", "echo \"$GIVEN $HOME\"; echo hidden >&2"},
                 {.environment = {{"GIVEN", "a"}, {"HOME", "b"}}, .keep_stderr = false});
  ASSERT_TRUE(result.has_value()) << result.error().ToString();
  EXPECT_EQ(result->output, "a b\n");
}

TEST(Process, KillsWhatTakesTooLong) {
  for (const Words& words : {Words{"tail", "-f", "/dev/null"},
                             Words{"sh", "-c", "exec >/dev/null 2>&1; exec tail -f /dev/null"}}) {
    const auto result = RunProcess(words, {.timeout = Seconds(0)});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Code::kUnavailable);
  }
}

TEST(Process, NamesWhatCannotBeStarted) {
  const auto result = RunProcess({"no-such-program-here"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().where, "no-such-program-here");
}

}  // namespace
}  // namespace pj
