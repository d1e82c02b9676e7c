// How often statuses are written: a job's in five seconds, and so many a second of all jobs.
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

class StatusRateTest : public OperatorTest {
 protected:
  static std::string NameOf(int number) { return "job-" + std::to_string(number); }

  void ApplyMany(int count) {
    for (int i = 0; i < count; ++i) {
      Json job = SmallJob();
      job["metadata"]["name"] = NameOf(i);
      Make(kube::ParallelJobs(), job);
    }
  }
  Nanos TurnOf(int number) {
    const Result<Nanos> next = reconciler_->Reconcile({kNs, NameOf(number)});
    EXPECT_TRUE(next) << next.error().ToString();
    return next.value_or(kNever);
  }
  bool HasStatus(int number) {
    return Get(kube::ParallelJobs(), NameOf(number)).contains("status");
  }
};

TEST_F(StatusRateTest, WhoeverMustWaitIsWokenOnceAndThenWrites) {
  constexpr int kJobs = 100;
  OperatorOptions few;
  few.status_writes_per_second = 10;
  reconciler_ = std::make_unique<Reconciler>(ReconcilerOptions{
      .api = api_.get(), .reader = reader_.get(), .clock = &clock_, .job = few});
  ApplyMany(kJobs);
  std::map<Nanos, int> due;
  for (int i = 0; i < kJobs; ++i) {
    const Nanos next = TurnOf(i);
    if (!HasStatus(i)) due.emplace(next, i);
  }
  ASSERT_EQ(due.size(), 90u) << "ten at once, and each other one has a time of its own";
  EXPECT_GE(due.rbegin()->first, Seconds(8));
  Nanos passed{0};
  for (const auto& [when, number] : due) {
    clock_.Advance(when - passed);
    passed = when;
    TurnOf(number);
    EXPECT_TRUE(HasStatus(number)) << number;
  }
}

}  // namespace
}  // namespace pj::op
