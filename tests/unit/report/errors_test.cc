#include <gmock/gmock.h>

#include <set>

#include "ledger/error_groups.h"
#include "report/error_text.h"
#include "report_fixture.h"

namespace pj::report {
namespace {

using ::testing::ElementsAre;

TEST(ErrorHashTest, NumbersAddressesAndPathsDoNotTellErrorsApart) {
  const std::pair<const char*, const char*> alike[] = {
      {"row 12 is bad", "row 1345 is bad"},
      {"value 1.5 at 0x7f01ab", "value 22.75 at 0xdeadbeef"},
      {"cannot read /data/a/b.csv: gone", "cannot read /tmp/x.csv: gone"},
      {"File \"/a/b.py\", line 3", "File \"/c.py\", line 99"},
      {"connect to 10.0.0.1:80 failed", "connect to 192.168.7.20:8080 failed"},
      {"first line\nsame end", "other line\nsame end\n\n"},
      {"part7 of part8", "part1 of part2"}};
  for (const auto& [a, b] : alike) EXPECT_EQ(ErrorHash("E", a), ErrorHash("E", b)) << a;
}

TEST(ErrorHashTest, OtherErrorsAreOthers) {
  const std::set<uint64_t> hashes = {ErrorHash("ValueError", "bad"),   ErrorHash("KeyError", "bad"),
                                     ErrorHash("ValueError", "worse"), ErrorHash("ValueError", ""),
                                     ErrorHash("", "ValueError"),      ErrorHash("", ""),
                                     ErrorHash("E", "either/or"),      ErrorHash("E", "and or")};
  EXPECT_EQ(hashes.size(), 8u);
  EXPECT_FALSE(hashes.contains(0));
  EXPECT_FALSE(hashes.contains(ledger::kOtherErrors));
}

TEST(ErrorTextTest, CategoryAndMessageInALine) {
  EXPECT_EQ(ErrorText(Bad(0, 1, "bad\nrow \x1b")), "ValueError: bad\\nrow \\x1b");
  EXPECT_EQ(ErrorText(Bad(0, 1, "")), "ValueError");
  EXPECT_EQ(ErrorText(Bad(0, 1, "ValueError: again")), "ValueError: again");
  output::AttemptRecord died = Bad(0, 1, "killed by SIGSEGV");
  died.category.clear();
  died.status = ledger::AttemptStatus::kProcessDied;
  EXPECT_EQ(ErrorText(died), "PROCESS_DIED: killed by SIGSEGV");
}

TEST(GroupErrorsTest, AlikeFailuresShareAGroupTheMostFrequentFirst) {
  std::vector<output::AttemptRecord> records = {Good(50), Bad(9, 1, "other")};
  for (const uint64_t id : {8, 3, 7, 4, 6, 5, 3}) records.push_back(Bad(id, 1, "bad row 5"));
  records[3].log = "log of 3";
  records.push_back(Good(9, 2));  // read after its failure or before: the same
  const auto grouped = GroupErrors(From(records));
  ASSERT_TRUE(grouped);
  ASSERT_EQ(grouped->groups.size(), 2u);
  EXPECT_EQ(grouped->groups[0].count, 7u) << "failed attempts";
  EXPECT_THAT(grouped->groups[0].first_ids, ElementsAre(3, 4, 5, 6, 7)) << "each once, the least";
  EXPECT_EQ(grouped->groups[0].text, "ValueError: bad row 5");
  EXPECT_EQ(grouped->groups[0].log, "log of 3") << "the log of its first mini-batch";
  EXPECT_EQ(grouped->groups[0].hash, ErrorHash("ValueError", "bad row 77"));
  EXPECT_EQ(grouped->groups[1].text, "ValueError: other");
  EXPECT_THAT(grouped->recovered, ElementsAre(false, true));
}

TEST(GroupErrorsTest, AGroupIsRecoveredOnlyIfAllItsMiniBatchesAre) {
  const auto one_left = GroupErrors(
      From({Bad(1, 1, "x"), Bad(2, 1, "x"), Good(1, 2), Bad(2, 2, "x", /*terminal=*/true)}));
  EXPECT_THAT(one_left->recovered, ElementsAre(false));
  const auto all = GroupErrors(From({Good(1, 2), Bad(1, 1, "x"), Bad(2, 1, "x"), Good(2, 2)}));
  EXPECT_THAT(all->recovered, ElementsAre(true));
  const auto undecided = GroupErrors(From({Bad(1, 1, "x")}));
  EXPECT_THAT(undecided->recovered, ElementsAre(false));
}

TEST(GroupErrorsTest, GroupsAreBoundedAndNoCountIsLost) {
  std::vector<output::AttemptRecord> records;
  for (uint64_t i = 0; i < 2000; ++i) {
    std::string word;
    for (uint64_t n = i + 1; n > 0; n /= 26) word.push_back(static_cast<char>('a' + n % 26));
    records.push_back(Bad(i, 1, word));
  }
  const auto grouped = GroupErrors(From(records));
  EXPECT_EQ(grouped->groups.size(), kMostGroups);
  EXPECT_EQ(grouped->groups[0].text, "other errors");
  uint64_t sum = 0;
  for (const auto& group : grouped->groups) sum += group.count;
  EXPECT_EQ(sum, 2000u);
}

TEST(GroupErrorsTest, AnUnreadableSourceIsAnError) {
  const auto grouped =
      GroupErrors([](const auto&) -> Status { return Fail(Code::kCorrupt, "LedgerCorrupt: x"); });
  EXPECT_EQ(grouped.error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace pj::report
