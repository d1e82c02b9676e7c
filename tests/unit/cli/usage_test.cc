#include "cli/usage.h"

#include <gtest/gtest.h>

namespace pj::cli {
namespace {

std::string Said(std::vector<std::string> words) {
  const Usage usage{.words = std::move(words),
                    .commands = {"run", "plan", "validate", "status"},
                    .flags = {"--filename", "-f", "--fresh", "--output", "--help"},
                    .said = "--filename is required"};
  return UsageError(usage).ToString();
}

TEST(Usage, AnUnknownCommandIsNamedWithTheNearestOne) {
  EXPECT_EQ(Said({"rum", "-f", "job.yaml"}), "unknown command: rum: did you mean run?");
  EXPECT_EQ(Said({"completion"}), "unknown command: completion: run, plan, validate, status");
  EXPECT_EQ(Said({}), "a command is missing: run, plan, validate, status");
}

TEST(Usage, AnUnknownFlagIsNamedWithTheNearestOne) {
  EXPECT_EQ(Said({"run", "-f", "job.yaml", "--frsh"}),
            "unknown flag: run --frsh: did you mean --fresh?");
  EXPECT_EQ(Said({"run", "--ouput=x"}), "unknown flag: run --ouput: did you mean --output?");
  EXPECT_EQ(Said({"run", "--nonsense"}), "unknown flag: run --nonsense: paralleljob run --help");
}

TEST(Usage, AJobFileIsNamedByItsFlag) {
  EXPECT_EQ(Said({"run", "job.yaml"}),
            "a job file is named by -f: run: paralleljob run -f job.yaml");
  EXPECT_EQ(Said({"run"}), "--filename is required: run: paralleljob run --help");
}

}  // namespace
}  // namespace pj::cli
