// Timeouts and deadlines: what runs them out, and what makes them wait.
#include "operator/reconcile.h"
#include "tests/unit/operator/operator_fixture.h"

namespace pj::op {
namespace {

using Mode = ledger::Control::Mode;
using testing::HasSubstr;

class ClocksTest : public OperatorTest {};

TEST_F(ClocksTest, ADeadlineFailsAJobThatNeverStarted) {
  Json job = SmallJob();
  job["spec"]["activeDeadlineSeconds"] = 60;
  Apply(job);
  Turn();
  EXPECT_LE(Turn(Seconds(10)), Seconds(51));
  EXPECT_EQ(Control().mode, Mode::kRun);
  Turn(Seconds(51));
  EXPECT_EQ(Control().mode, Mode::kAbort);
  Settle();
  EXPECT_EQ(Condition("Failed")["reason"], "DeadlineExceeded");
}

TEST_F(ClocksTest, NoFirstMiniBatchInTimeFailsTheJob) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  PutLease(0, "u0", {.environment_ready = true});
  for (int i = 0; i < 60; ++i) {
    PutLease(0, "u0", {.environment_ready = true});
    Turn(Seconds(10));
  }
  EXPECT_EQ(Control().mode, Mode::kRun);
  Turn(Seconds(11));
  EXPECT_THAT(Control().reason, HasSubstr("FirstTaskCreationTimeout"));
}

// Evicted, preempted, scaled to none, or on nodes that were lost: that fails no job.
TEST_F(ClocksTest, TheClocksStandWhileNobodyCouldWork) {
  Json job = SmallJob();
  job["spec"]["progressUpdateTimeoutSeconds"] = 60;
  Apply(job);
  Settle();
  Plan(10);
  const job::WorkerState ready{.environment_ready = true, .started = 3};
  PutLease(0, "u0", ready);
  PutShard(Shard(10, 3));
  Turn(Seconds(6));
  for (int i = 0; i < 100; ++i) Turn(Seconds(10));  // its Lease is silent
  EXPECT_EQ(Control().mode, Mode::kRun);
  PutLease(0, "", ready);  // released
  Change([](Json& j) { j["spec"]["instanceCount"] = 0; });
  for (int i = 0; i < 100; ++i) Turn(Seconds(10));
  EXPECT_EQ(Control().mode, Mode::kRun);
  // From when somebody is there, it has its whole time again, and no more.
  int turns = 0;
  for (; turns < 20 && Control().mode == Mode::kRun; ++turns) {
    PutLease(0, "u0", ready);
    Turn(Seconds(10));
  }
  EXPECT_THAT(Control().reason, HasSubstr("ProgressTimeout"));
  EXPECT_GE(turns, 5);
  EXPECT_LE(turns, 8);
}

// One that died in its init() neither stops the clocks for ever, nor speaks for the others.
TEST_F(ClocksTest, ASilentLeaseIsOfTheDead) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  PutLease(1, "u1", {.environment_ready = true, .initialising = true});
  for (int i = 0; i < 80; ++i) {
    PutLease(0, "u0", {.environment_ready = true});
    Turn(Seconds(10));
  }
  EXPECT_THAT(Control().reason, HasSubstr("FirstTaskCreationTimeout"));
}

TEST_F(ClocksTest, ASilentWorkerIsNoReasonToWaitWhenAllOthersHaveLostTheirSlots) {
  Apply();
  Settle();
  Plan(10);
  PutPod("p0", Running());
  PutLease(1, "u1", {.environment_ready = true});
  for (int i = 0; i < 3; ++i) {
    PutLease(0, "u0", {.lost_reason = "InitFailed", .lost_message = "ValueError: no"});
    Turn(Seconds(10));
  }
  EXPECT_EQ(Control().mode, Mode::kAbort);
}

// As the clock of a batch Job, which stands while the Job is suspended.
TEST_F(ClocksTest, ADeadlineDoesNotCountTheTimeInAQueue) {
  Json job = SmallJob();
  job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "jobs";
  job["spec"]["activeDeadlineSeconds"] = 60;
  Apply(job);
  Settle();
  const auto hold = [&](bool held) {
    Json workers = Job();
    workers["spec"]["suspend"] = held;
    Put(Jobs(), workers);
  };
  hold(true);
  for (int i = 0; i < 10; ++i) Turn(Seconds(60));
  EXPECT_EQ(Control().mode, Mode::kRun);
  EXPECT_FALSE(Status().contains("startTime"));
  hold(false);
  for (int i = 0; i < 5; ++i) Turn(Seconds(10));
  EXPECT_TRUE(Status().contains("startTime"));
  EXPECT_EQ(Control().mode, Mode::kRun);
  hold(true);  // preempted
  for (int i = 0; i < 10; ++i) Turn(Seconds(60));
  EXPECT_EQ(Control().mode, Mode::kRun);
  hold(false);
  Turn(Seconds(6));
  for (int i = 0; i < 7; ++i) Turn(Seconds(10));
  EXPECT_THAT(Control().reason, HasSubstr("DeadlineExceeded"));
}

}  // namespace
}  // namespace pj::op
