#include "cli/console.h"

#include <gmock/gmock.h>

#include "base/json.h"
#include "cli/exit_codes.h"
#include "cli/finish.h"
#include "cli/progress.h"
#include "cli/run_identity.h"

namespace pj::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Console, NumbersForPeople) {
  EXPECT_EQ(GroupDigits(7), "7");
  EXPECT_EQ(GroupDigits(1234567), "1 234 567");
  EXPECT_EQ(HumanSeconds(3.21), "3.2 s");
  EXPECT_EQ(HumanSeconds(245), "4 min 05 s");
  EXPECT_EQ(HumanSeconds(3725), "1 h 02 min");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(12'345'678), "12.3 MB");
}

TEST(Console, ExitCodesFollowWhoHasToAct) {
  EXPECT_EQ(ExitCodeOf({.code = Code::kInvalid}), kExitBadInput);
  EXPECT_EQ(ExitCodeOf({.code = Code::kNotFound}), kExitBadInput);
  EXPECT_EQ(ExitCodeOf({.code = Code::kNoSpace}), kExitCouldNotRun);
  EXPECT_EQ(ExitCodeOf({.code = Code::kUnavailable}), kExitCouldNotRun);
}

TEST(Console, NotStartedIsOneJsonObjectWithItsErrors) {
  const Result<Json> parsed =
      ParseJson(NotStartedJson(Error{Code::kInvalid, "no input", "spec.inputData", "name one"}));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ((*parsed)["state"], "NotStarted");
  EXPECT_EQ((*parsed)["errors"][0]["message"], "no input: spec.inputData: name one");
}

TEST(Progress, SaysDoneRateAndWhenItEnds) {
  const ProgressLine line(false, 100, Nanos(0));
  const std::string text =
      line.Text({.done = 150, .total = 250, .failed = 2, .retries = 3, .slots_busy = 4, .slots = 4},
                Seconds(10));
  EXPECT_EQ(text,
            "150/250 mini-batches · 5.0/s · ETA 20 s · 2 failed · 3 retries · 4/4 slots busy");
}

TEST(Progress, OneIsNotMany) {
  const ProgressLine line(false, 0, Nanos(0));
  EXPECT_EQ(line.Text({.total = 1, .retries = 1, .slots_busy = 1, .slots = 1}, Seconds(5)),
            "0/1 mini-batch · 0 failed · 1 retry · 1/1 slot busy");
}

TEST(Progress, WithoutProgressThereIsNoRate) {
  const ProgressLine line(false, 0, Nanos(0));
  const std::string text = line.Text({.done = 0, .total = 9}, Seconds(5));
  EXPECT_THAT(text, Not(HasSubstr("ETA")));
  EXPECT_EQ(text, "0/9 mini-batches · 0 failed · 0 retries");
}

TEST(Header, CsvAndTextHaveOneQuotedAsPandasDoes) {
  EXPECT_EQ(HeaderLine({"a", "b,c", "d\"e"}, "csv", true), "a,\"b,c\",\"d\"\"e\"\n");
  EXPECT_EQ(HeaderLine({"a"}, "csv", false), "");
  EXPECT_EQ(HeaderLine({}, "csv", true), "");
  EXPECT_EQ(HeaderLine({"a", "b c"}, "text", true), "a \"b c\"\n");
  EXPECT_EQ(HeaderLine({"", "x"}, "csv", true), ",x\n");
  EXPECT_EQ(HeaderLine({"a"}, "jsonl", true), "");
}

TEST(Identity, MutableFieldsMayChange) {
  api::ParallelJob a;
  a.name = "x";
  a.spec.task.entry_script = "x.py";
  api::ParallelJob b = a;
  b.spec.instance_count.Set(7);
  b.spec.suspend = true;
  b.spec.active_deadline_seconds = 9;
  EXPECT_EQ(ImmutableManifest(a), ImmutableManifest(b));
  b.spec.task.entry_script = "y.py";
  EXPECT_NE(ImmutableManifest(a), ImmutableManifest(b));
  EXPECT_THAT(FirstDifference(ImmutableManifest(a), ImmutableManifest(b)), HasSubstr("y.py"));
  b = a;
  b.spec.error_threshold.Set(3);
  EXPECT_EQ(FirstDifference(ImmutableManifest(a), ImmutableManifest(b)),
            "`errorThreshold: 3` is new");
  EXPECT_EQ(FirstDifference(ImmutableManifest(b), ImmutableManifest(a)),
            "`errorThreshold: 3` is gone");
}

}  // namespace
}  // namespace pj::cli
