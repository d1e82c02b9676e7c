#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/load.h"
#include "api/shell_words.h"

namespace pj::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

Words Split(const std::string& line) {
  const auto words = SplitWords(line);
  if (!words) return {"error: " + words.error().message};
  Words out;
  for (const Word& word : *words) out.push_back(word.text);
  return out;
}

TEST(SplitWords, AsAShellWould) {
  EXPECT_THAT(Split("a  b\tc\nd"), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Split("'a b' \"c d\" e\\ f"), ElementsAre("a b", "c d", "e f"));
  EXPECT_THAT(Split(R"(a'b'"c"d "x\"y\\z\n")"), ElementsAre("abcd", R"(x"y\z\n)"));
  EXPECT_THAT(Split("'' \"\""), ElementsAre("", ""));
  EXPECT_THAT(Split(""), ElementsAre());
  EXPECT_THAT(Split("$HOME *.csv `x` a;b"), ElementsAre("$HOME", "*.csv", "`x`", "a;b"));
  EXPECT_THAT(Split("a 'b"), ElementsAre("error: a quote without its end"));
  EXPECT_THAT(Split("a\\"), ElementsAre("error: a backslash at the end"));
}

TEST(SplitWords, KeepsBindingsAndGroups) {
  EXPECT_THAT(Split("--x ${{ inputs.a }} --y=${{inputs.b}}/c"),
              ElementsAre("--x", "${{inputs.a}}", "--y=${{inputs.b}}/c"));
  EXPECT_THAT(Split("a $[[--f ${{inputs.o}}]] b"), ElementsAre("a", "$[[--f ${{inputs.o}}]]", "b"));
  EXPECT_THAT(Split("$[[--f"), ElementsAre("error: an optional group without its end"));
}

struct Taken {
  Words words;
  ParallelJobSpec spec;
  Diagnostics found;
  std::string Text() const {
    std::string out;
    for (const Diagnostic& d : found.all()) out += d.ToString() + "\n";
    return out;
  }
};

Taken Take(const std::string& line, ParallelJobSpec spec = {}) {
  Taken out;
  out.spec = std::move(spec);
  Input literal;
  literal.name = "n";
  literal.type = DataType::kLiteral;
  literal.value = "9";
  out.spec.inputs.push_back(literal);
  out.words = SplitProgramArguments(line, &out.spec, {}, &out.found);
  return out;
}

TEST(RuntimeFlags, SetTheirFields) {
  const Taken t = Take(
      "--error_threshold 1 --allowed_failed_count=2 --allowed_failed_percent 3 "
      "--task_overhead_timeout 4 --progress_update_timeout 5 --first_task_creation_timeout 6 "
      "--resource_monitor_interval 7 --process_count_per_node 8 --copy_logs_to_parent True");
  EXPECT_EQ(t.Text(), "");
  EXPECT_TRUE(t.words.empty());
  EXPECT_EQ(t.spec.error_threshold.value, 1);
  EXPECT_EQ(t.spec.error_threshold.origin, Origin::kFlag);
  EXPECT_EQ(t.spec.mini_batch_error_threshold.value, 2);
  EXPECT_EQ(t.spec.allowed_failed_percent.value, 3);
  EXPECT_EQ(t.spec.task_overhead_timeout_seconds.value, 4);
  EXPECT_EQ(t.spec.progress_update_timeout_seconds, 5);
  EXPECT_EQ(t.spec.first_task_creation_timeout_seconds.value, 6);
  EXPECT_EQ(t.spec.resource_monitor_interval_seconds.value, 7);
  EXPECT_EQ(t.spec.max_concurrency_per_instance, 8);
  EXPECT_TRUE(t.spec.copy_logs_to_parent.value);
}

TEST(RuntimeFlags, LeaveTheRestToTheScript) {
  const Taken t = Take("--model m.bin -1 --error_threshold -1 file --flag=x");
  EXPECT_THAT(t.words, ElementsAre("--model", "m.bin", "-1", "file", "--flag=x"));
  EXPECT_EQ(t.spec.error_threshold.value, -1);
  EXPECT_TRUE(t.spec.error_threshold.IsSet());
  EXPECT_THAT(Take("a -- --error_threshold 5").words,
              ElementsAre("a", "--", "--error_threshold", "5"));
}

TEST(RuntimeFlags, TakePrefixesThatLackUpToThreeLetters) {
  const Taken t = Take("--resource_monitor_interva 20");
  EXPECT_EQ(t.spec.resource_monitor_interval_seconds.value, 20);
  EXPECT_THAT(t.Text(), HasSubstr("warning"));
  EXPECT_EQ(Take("--error_thres=4").spec.error_threshold.value, -1) << "lacks four";
  EXPECT_THAT(Take("--error_thres=4").words, ElementsAre("--error_thres=4"));
  EXPECT_EQ(Take("--error_thresho=4").spec.error_threshold.value, 4);
  EXPECT_THAT(Take("--allowed_failed_ 4").words, ElementsAre("--allowed_failed_", "4"));
}

TEST(RuntimeFlags, WarnOfNearMisses) {
  const Taken t = Take("--eror_threshold 5");
  EXPECT_THAT(t.Text(), HasSubstr("did you mean --error_threshold?"));
  EXPECT_FALSE(t.found.HasErrors());
  EXPECT_THAT(t.words, ElementsAre("--eror_threshold", "5"));
  EXPECT_THAT(Take("--first-task-creation-timeout 5").Text(), HasSubstr("did you mean"));
  EXPECT_EQ(Take("--errors 5").Text(), "");
}

TEST(RuntimeFlags, RefuseBadValues) {
  for (const char* line : {"--error_threshold 5.5", "--error_threshold x", "--error_threshold -2",
                           "--error_threshold 4294967297", "--error_threshold",
                           "--error_threshold --x", "--allowed_failed_percent 101",
                           "--task_overhead_timeout 0", "--task_overhead_timeout 259201",
                           "--copy_logs_to_parent maybe", "--error_threshold 99999999999999999999",
                           "--error_threshold ''", "--error_threshold ${{inputs.missing}}"}) {
    EXPECT_TRUE(Take(line).found.HasErrors()) << line;
  }
}

TEST(RuntimeFlags, MayNotContradictKeys) {
  ParallelJobSpec spec;
  spec.error_threshold.Set(5);
  spec.max_concurrency_per_instance = 2;
  EXPECT_THAT(Take("--error_threshold 6", spec).Text(),
              HasSubstr("contradicts spec.errorThreshold"));
  EXPECT_EQ(Take("--error_threshold 5", spec).Text(), "");
  EXPECT_TRUE(Take("--process_count_per_node 3", spec).found.HasErrors());
  spec.error_threshold.Set(-1);
  const Taken instead = Take("--error_threshold 6", spec);
  EXPECT_FALSE(instead.found.HasErrors()) << instead.Text();
  EXPECT_THAT(instead.Text(), HasSubstr("spec.errorThreshold, which is at its default of -1"));
  EXPECT_EQ(instead.spec.error_threshold.value, 6);
}

TEST(RuntimeFlags, LastOfTwoCountsHoweverOftenTheyAreTaken) {
  Taken t = Take("--progress_update_timeout 5 --progress_update_timeout 6 --error_threshold 1 x");
  EXPECT_EQ(t.spec.progress_update_timeout_seconds, 6);
  const auto again = SplitProgramArguments(
      "--progress_update_timeout 5 --progress_update_timeout 6 --error_threshold 1 x", &t.spec, {},
      &t.found);
  EXPECT_EQ(t.Text(), "");
  EXPECT_THAT(again, ElementsAre("x"));
}

TEST(RuntimeFlags, ResolveLiteralInputs) {
  EXPECT_EQ(Take("--error_threshold ${{ inputs.n }}").spec.error_threshold.value, 9);
  EXPECT_EQ(Take("$[[--error_threshold ${{inputs.n}}]]").spec.error_threshold.value, 9);
  const Taken without = Take("$[[--error_threshold ${{inputs.other}}]] a");
  EXPECT_EQ(without.Text(), "");
  EXPECT_FALSE(without.spec.error_threshold.IsSet());
  EXPECT_THAT(without.words, ElementsAre("a"));
}

TEST(RuntimeFlags, HeaderOfAppendedRows) {
  ParallelJobSpec spec;
  spec.outputs.push_back({.name = "rows"});
  spec.task.append_row_to = "rows";
  EXPECT_EQ(Take("--append_row_dataframe_header", spec).spec.outputs[0].header, true);
  EXPECT_EQ(Take("--append_row_dataframe_header False", spec).spec.outputs[0].header, false);
  const Taken followed = Take("--append_row_dataframe_header data", spec);
  EXPECT_EQ(followed.spec.outputs[0].header, true);
  EXPECT_THAT(followed.words, ElementsAre("data"));
  spec.outputs[0].header = false;
  EXPECT_TRUE(Take("--append_row_dataframe_header True", spec).found.HasErrors());
  EXPECT_THAT(Take("--append_row_dataframe_header").Text(), HasSubstr("has no effect"));
}

TEST(RuntimeFlags, WithoutEffectAreSaidSo) {
  const Taken t = Take("--metrics_name_prefix p --push_metrics_to_parent True x");
  EXPECT_THAT(t.words, ElementsAre("x"));
  EXPECT_THAT(t.Text(), HasSubstr("note: --metrics_name_prefix has no effect here"));
  EXPECT_FALSE(t.found.HasErrors());
}

TEST(BindArguments, ReplacesAndDrops) {
  const std::map<std::string, std::string> values = {{"inputs.a", "/d a"}, {"outputs.o", "/o"}};
  EXPECT_EQ(BindArguments({"--a", "${{inputs.a}}", "x=${{outputs.o}}/y"}, values),
            (Words{"--a", "/d a", "x=/o/y"}))
      << "a value with blanks stays one word";
  EXPECT_EQ(BindArguments({"$[[--b ${{inputs.b}}]]", "c"}, values), Words{"c"});
  EXPECT_EQ(BindArguments({"$[[--a '${{ inputs.a }}' z]]"}, values), (Words{"--a", "/d a", "z"}));
  EXPECT_EQ(BindArguments({"${{inputs.none}}"}, values), Words{"${{inputs.none}}"});
}

}  // namespace
}  // namespace pj::api
