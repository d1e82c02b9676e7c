#include "worker/slot_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "wait_for.h"

namespace pj::worker {
namespace {

using ledger::Assignment;
using ledger::AttemptStatus;

class OneFilePlan : public plan::Plan {
 public:
  uint64_t size() const override { return 1000; }
  uint64_t total_items() const override { return 1000; }
  const std::string& hash() const override { return hash_; }
  const plan::TableSchema* schema() const override { return nullptr; }
  Result<plan::MiniBatch> Get(uint64_t index) const override {
    plan::MiniBatch out;
    out.index = index;
    out.items = 1;
    out.files = {{"/data/" + std::to_string(index), 1, 1}};
    return out;
  }
  Result<uint64_t> Items(uint64_t) const override { return 1; }
  Status AppendPayload(uint64_t index, std::string* out) const override {
    plan::EncodePayload(*Get(index), out);
    return {};
  }

 private:
  std::string hash_ = "hash";
};

// The slot's side is played by the test, which writes into the shared page itself.
class SlotProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = SeqpacketPair();
    auto page = SharedPage::Create();
    ASSERT_TRUE(pair && page);
    void* memory =
        ::mmap(nullptr, wire::kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd(), 0);
    ASSERT_NE(memory, MAP_FAILED);
    entries_ = static_cast<wire::PageEntry*>(memory);
    theirs_ = std::move(pair->second);
    process_ = std::make_unique<SlotProcess>(0, std::move(pair->first), std::move(*page));
    process_->phase = Phase::kReady;
  }
  void TearDown() override { ::munmap(entries_, wire::kPageBytes); }

  void Send(uint64_t first, size_t count) {
    std::vector<Assignment> assignments;
    for (size_t i = 0; i < count; ++i) assignments.push_back({.mini_batch = first + i});
    ASSERT_TRUE(process_->Send(assignments, plan_, &frame_, Seconds(1)));
    EXPECT_FALSE(ReceiveText(theirs_.get()).empty());
  }
  void Mark(size_t entry, wire::State state, Nanos since = Seconds(1)) {
    entries_[entry].word = state;
    entries_[entry].started_ns = entries_[entry].run_ns = static_cast<uint64_t>(since.count());
  }
  std::vector<uint64_t> Ids(const std::vector<Assignment>& assignments) {
    std::vector<uint64_t> out;
    for (const Assignment& assignment : assignments) out.push_back(assignment.mini_batch);
    return out;
  }

  OneFilePlan plan_;
  RunFrame frame_;
  UniqueFd theirs_;
  wire::PageEntry* entries_ = nullptr;
  std::unique_ptr<SlotProcess> process_;
  Timeouts timeouts_{.run = Seconds(10), .overhead = Seconds(20)};
};

TEST_F(SlotProcessTest, AnswersComeInOrderAndOnce) {
  Send(5, 2);
  EXPECT_EQ(process_->live(), 2u);
  EXPECT_EQ(process_->Answer(5, 1), nullptr) << "it has not even started";
  Mark(0, wire::kEnded);
  Mark(1, wire::kEnded);
  EXPECT_EQ(process_->Answer(6, 1), nullptr) << "out of order";
  EXPECT_EQ(process_->Answer(5, 2), nullptr) << "another attempt";
  InFlight* answered = process_->Answer(5, 1);
  ASSERT_NE(answered, nullptr);
  EXPECT_EQ(answered->items, 1u);
  EXPECT_EQ(answered->detail, "/data/5");
  EXPECT_EQ(process_->Answer(5, 1), nullptr) << "twice";
  EXPECT_NE(process_->Answer(6, 1), nullptr);
  EXPECT_EQ(process_->live(), 0u);
}

TEST_F(SlotProcessTest, ATimeoutBlamesTheOneThatRuns) {
  Send(0, 3);
  Mark(0, wire::kEnded);
  Mark(1, wire::kRunning, Seconds(2));
  EXPECT_FALSE(process_->CheckTime(timeouts_, Seconds(3)));
  EXPECT_LE(process_->check_at, Seconds(12));
  process_->overdue = process_->CheckTime(timeouts_, Seconds(12));
  ASSERT_TRUE(process_->overdue);
  EXPECT_EQ(process_->overdue->status, AttemptStatus::kRunTimeout);
  const SlotProcess::Remains remains = process_->Bury(false);
  ASSERT_TRUE(remains.culprit);
  EXPECT_EQ(remains.culprit->assignment.mini_batch, 1u);
  EXPECT_EQ(remains.status, AttemptStatus::kRunTimeout);
  EXPECT_THAT(Ids(remains.innocent), ::testing::ElementsAre(0, 2));
}

TEST_F(SlotProcessTest, LoadingHasTheOverheadTimeout) {
  Send(0, 1);
  Mark(0, wire::kLoading, Seconds(2));
  EXPECT_FALSE(process_->CheckTime(timeouts_, Seconds(13)));
  const auto overdue = process_->CheckTime(timeouts_, Seconds(22));
  ASSERT_TRUE(overdue);
  EXPECT_EQ(overdue->status, AttemptStatus::kLoadTimeout);
}

TEST_F(SlotProcessTest, AProcessThatLiesAboutItsTimesIsStillCaught) {
  Send(0, 1);
  Mark(0, wire::kRunning, Seconds(1'000'000));
  EXPECT_FALSE(process_->CheckTime(timeouts_, Seconds(2)));
  EXPECT_FALSE(process_->CheckTime(timeouts_, Seconds(11)));
  EXPECT_TRUE(process_->CheckTime(timeouts_, Seconds(12)));
}

TEST_F(SlotProcessTest, AProcessThatNeverStartsIsCaught) {
  Send(0, 1);
  EXPECT_FALSE(process_->CheckTime(timeouts_, Seconds(2)));
  const auto overdue = process_->CheckTime(timeouts_, Seconds(22));
  ASSERT_TRUE(overdue);
  EXPECT_EQ(overdue->status, AttemptStatus::kLoadTimeout);
}

TEST_F(SlotProcessTest, TheWithdrawnAreSkippedAndTheirPagesAreKept) {
  Send(0, 64);
  Mark(0, wire::kRunning);
  EXPECT_EQ(process_->Waiting(), 63u);
  std::vector<Assignment> back;
  process_->Withdraw(200, &back);
  EXPECT_EQ(back.size(), 63u);
  EXPECT_EQ(entries_[63].word, wire::kWithdrawn);
  EXPECT_EQ(process_->live(), 1u);
  EXPECT_EQ(process_->room(), 64u) << "the slot may not have seen them yet";
  Mark(0, wire::kEnded);
  EXPECT_NE(process_->Answer(0, 1), nullptr);
  EXPECT_EQ(process_->room(), 65u);
  Send(100, 65);
  Mark(64, wire::kEnded);
  EXPECT_NE(process_->Answer(100, 1), nullptr) << "the next answer is the one behind them";
  EXPECT_EQ(process_->room(), 64u);
}

TEST_F(SlotProcessTest, TheFirstIsNeverWithdrawn) {
  Send(0, 2);
  std::vector<Assignment> back;
  process_->Withdraw(10, &back);
  EXPECT_THAT(Ids(back), ::testing::ElementsAre(1));
}

TEST_F(SlotProcessTest, WhatTheSlotWasQuickerWithStays) {
  Send(0, 3);
  Mark(0, wire::kRunning);
  Mark(2, wire::kLoading);  // out of order on purpose: the mark decides, not our belief
  std::vector<Assignment> back;
  process_->Withdraw(10, &back);
  EXPECT_TRUE(back.empty());
}

TEST_F(SlotProcessTest, WhatWaitsBehindALongCallIsRecalled) {
  process_->native = true;
  Send(0, 5);
  Mark(0, wire::kEnded);
  Mark(1, wire::kRunning, Seconds(2));
  std::vector<Assignment> back;
  process_->Recall(Millis(50), Seconds(2) + Millis(49), &back);
  EXPECT_TRUE(back.empty());
  EXPECT_FALSE(process_->held_up);
  EXPECT_EQ(process_->recall_at, Seconds(2) + Millis(50));
  process_->Recall(Millis(50), process_->recall_at, &back);
  EXPECT_THAT(Ids(back), ::testing::ElementsAre(4, 3, 2));
  EXPECT_TRUE(process_->held_up);
  EXPECT_EQ(process_->recall_at, Nanos::max()) << "there is nothing more to recall";
  EXPECT_EQ(process_->Waiting(), 0u);
}

TEST_F(SlotProcessTest, NothingIsRecalledBehindAnAnswerThatIsOnItsWay) {
  process_->native = true;
  Send(0, 2);
  std::vector<Assignment> back;
  Mark(0, wire::kEnded);
  Mark(1, wire::kEnded);
  process_->Recall(Millis(50), Seconds(9), &back);
  EXPECT_EQ(process_->recall_at, Nanos::max()) << "nothing waits";
  EXPECT_TRUE(back.empty());
}

TEST_F(SlotProcessTest, ATransportThatCannotSkipIsNotAsked) {
  Send(0, 3);
  Mark(0, wire::kRunning, Seconds(2));
  std::vector<Assignment> back;
  process_->Recall(Millis(50), Seconds(9), &back);
  EXPECT_TRUE(back.empty());
  EXPECT_EQ(entries_[2].word, wire::kSent);
}

TEST_F(SlotProcessTest, DroppedOnesAreAnsweredIntoTheVoid) {
  process_->native = true;
  Send(0, 3);
  Mark(0, wire::kRunning);
  EXPECT_TRUE(process_->Drop(0, 0));
  EXPECT_EQ(process_->live(), 0u);
  Mark(0, wire::kEnded);
  InFlight* answered = process_->Answer(0, 1);
  ASSERT_NE(answered, nullptr);
  EXPECT_EQ(answered->fate, InFlight::Fate::kDropped);
  const SlotProcess::Remains remains = process_->Bury(false);
  EXPECT_FALSE(remains.culprit);
  EXPECT_TRUE(remains.innocent.empty());
}

TEST_F(SlotProcessTest, ADeathBetweenTwoChargesTheLastUnlessItWasForeign) {
  Send(0, 3);
  Mark(0, wire::kEnded);
  const SlotProcess::Remains remains = process_->Bury(/*foreign=*/true);
  EXPECT_FALSE(remains.culprit);
  EXPECT_EQ(remains.innocent.size(), 3u);
  Send(10, 3);
  Mark(3, wire::kEnded);
  const SlotProcess::Remains own = process_->Bury(/*foreign=*/false);
  ASSERT_TRUE(own.culprit);
  EXPECT_EQ(own.culprit->assignment.mini_batch, 10u);
  EXPECT_EQ(own.status, AttemptStatus::kProcessDied);
}

TEST_F(SlotProcessTest, AFullSocketSendsNothingAndKeepsNothing) {
  theirs_.Reset();
  std::vector<Assignment> one{{.mini_batch = 1}};
  const Status sent = process_->Send(one, plan_, &frame_, Seconds(1));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Code::kGone);
  EXPECT_EQ(process_->live(), 0u);
  EXPECT_EQ(entries_[0].word, wire::kFree);
}

}  // namespace
}  // namespace pj::worker
