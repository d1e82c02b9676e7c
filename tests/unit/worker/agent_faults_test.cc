#include "worker/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <set>

#include "agent_fixture.h"
#include "base/fs.h"
#include "wait_for.h"

namespace pj::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Full disks, missing programs, an API that loses answers, drains, aborts, dying hosts.
class AgentFaultsTest : public AgentTest {};

INSTANTIATE_TEST_SUITE_P(Transports, AgentFaultsTest, ::testing::Values("native", "pure"),
                         [](const auto& tested) { return tested.param; });

TEST_P(AgentFaultsTest, AFullDiskStopsTheAgentWithItsReason) {
  AgentWorld& world = World(10, kEcho);
  const std::string stem = output::SegmentStem(0, 1, "instance-0", "i1");
  std::filesystem::create_symlink("/dev/full", world.dir() + "/segments/" + stem + ".attempts");
  const AgentResult result = world.Run();
  EXPECT_EQ(result.end, AgentEnd::kError);
  EXPECT_EQ(result.reason, "NoSpace");
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->code, Code::kNoSpace);
}

TEST_P(AgentFaultsTest, AMissingInterpreterIsAnErrorThatNamesIt) {
  AgentWorld& world = World(1, kEcho);
  world.options.job.python = "/no/such/python3";
  const AgentResult result = world.Run();
  EXPECT_EQ(result.end, AgentEnd::kError);
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->where, "/no/such/python3");
}

TEST_P(AgentFaultsTest, ABrokenRuntimeShowsWhatPythonSaid) {
  AgentWorld& world = World(1, kEcho);
  world.options.job.runtime_dir = world.dir();
  const AgentResult result = world.Run();
  EXPECT_EQ(result.end, AgentEnd::kError);
  EXPECT_EQ(result.reason, "PythonFailed");
  ASSERT_TRUE(result.error);
  EXPECT_THAT(result.error->message, HasSubstr("No module named 'paralleljob'"));
}

TEST_P(AgentFaultsTest, LostAnswersOfTheApiLoseNothing) {
  AgentWorld& world = World(300, kEcho);
  std::atomic<int> calls = 0;
  world.api().SetFaultHook([&calls](const kube::Request&) {
    switch (calls++ % 7) {
      case 2:
        return kube::Fault::kLoseResponse;
      case 4:
        return kube::Fault::kLoseRequest;
      case 5:
        return kube::Fault::kTooMany;
      default:
        return kube::Fault::kNone;
    }
  });
  ASSERT_EQ(world.Run().end, AgentEnd::kComplete);
  world.api().SetFaultHook({});
  EXPECT_EQ(world.Rows().size(), 300u);
}

TEST_P(AgentFaultsTest, ADrainLetsRunningCallsFinish) {
  AgentWorld& world = World(50, R"(
import os
def run(mini_batch):
    with open(os.environ["PJ_TRACE"], "a") as out:
        out.write("x")
    while not os.path.exists(os.environ["PJ_GO"]):
        pass
    return [1]
)");
  world.options.job.env["PJ_TRACE"] = world.dir() + "/trace";
  world.options.job.env["PJ_GO"] = world.dir() + "/go";
  world.Start();
  ASSERT_TRUE(WaitFor([&] { return world.File("trace").size() >= 2; }));
  world.agent().SetControl({.mode = ledger::Control::Mode::kDrain});
  ASSERT_TRUE(WriteFileAtomic(world.dir() + "/go", "go"));
  EXPECT_EQ(world.Join().end, AgentEnd::kDrained);
  EXPECT_EQ(world.Rows().size(), world.File("trace").size());
  EXPECT_LT(world.Rows().size(), 50u);
}

TEST_P(AgentFaultsTest, AnAbortKillsRunningCalls) {
  AgentWorld& world = World(50, "import threading\ndef run(b):\n    threading.Event().wait()\n");
  world.Start();
  ASSERT_TRUE(WaitFor([&] { return world.agent().Stats().slots_busy == 2; }));
  world.agent().SetControl({.mode = ledger::Control::Mode::kAbort, .reason = "enough"});
  EXPECT_EQ(world.Join().end, AgentEnd::kAborted);
  EXPECT_TRUE(world.Rows().empty());
}

TEST_P(AgentFaultsTest, AMiniBatchThatKillsTheHostIsChargedOnlyAlone) {
  // Number 6 kills the zygote, its parent, whenever it runs.
  AgentWorld& world = World(20, R"(
import os, signal
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    if number == 6:
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    return [number]
)");
  world.options.core.max_retries = 1;
  const AgentResult result = world.Run();
  ASSERT_EQ(result.end, AgentEnd::kComplete) << (result.error ? result.error->ToString() : "");
  const auto rows = world.Rows();
  EXPECT_EQ(rows.size(), 20u);
  EXPECT_EQ(rows.at(6), "");
  EXPECT_EQ(world.Counters().mini_batches_failed, 1u);
  for (const auto& attempt : world.Attempts()) {
    const bool good = attempt.status == ledger::AttemptStatus::kRunDone;
    EXPECT_EQ(good, attempt.mini_batch != 6u);
  }
}

TEST_P(AgentFaultsTest, OtherColumnsAreAnErrorOfTheirMiniBatch) {
  AgentWorld& world = World(10, R"(
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    return [{"a": number, "c" if number == 5 else "b": 1}]
)");
  world.options.job.append_format = "csv";
  world.options.core.max_retries = 0;
  world.options.core.slots = 1;
  ASSERT_EQ(world.Run().end, AgentEnd::kComplete);
  EXPECT_EQ(world.Counters().mini_batches_failed, 1u);
  const auto attempt = FirstOf(world.Attempts(), ledger::AttemptStatus::kRunException);
  EXPECT_EQ(attempt.mini_batch, 5u);
  EXPECT_EQ(attempt.category, "SchemaMismatch");
  EXPECT_THAT(attempt.message, HasSubstr("missing 'b'; not expected 'c'"));
}

TEST_P(AgentFaultsTest, TooManyColumnsAreAnErrorOfTheirMiniBatch) {
  AgentWorld& world = World(4, R"(
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    return [dict.fromkeys("column%06d" % n for n in range(90000 if number == 0 else 2))]
)");
  world.options.job.append_format = "csv";
  world.options.core.max_retries = 1;
  world.options.core.slots = 1;
  ASSERT_EQ(world.Run().end, AgentEnd::kComplete);
  EXPECT_EQ(world.Counters().mini_batches_failed, 1u);
  const auto attempt = FirstOf(world.Attempts(), ledger::AttemptStatus::kRunException);
  EXPECT_EQ(attempt.mini_batch, 0u);
  EXPECT_EQ(attempt.category, "SchemaTooLarge");
  EXPECT_THAT(attempt.message, HasSubstr("90000 columns need 1440000 bytes"));
}

TEST_P(AgentFaultsTest, TwoInstancesShareTheWork) {
  // Nobody ends a call before both instances have begun one: else the first may do it all.
  AgentWorld& world = World(400,
                            "import os, threading\n"
                            "def run(batch):\n"
                            "    open(os.environ['MEET'] + os.environ['NODE'], 'a').close()\n"
                            "    while len(os.listdir(os.environ['MEET'])) < 2:\n"
                            "        threading.Event().wait(0.005)\n"
                            "    return batch\n");
  const TempDir meet;
  world.options.job.env["MEET"] = meet / "";
  world.options.job.env["NODE"] = world.options.job.node;
  world.options.core.roots = ledger::RootCount(400, 2);
  world.Start();
  world.options.core.ordinal = 1;
  world.options.core.holder = world.options.job.node = "instance-1";
  world.options.job.env["NODE"] = world.options.job.node;
  world.Start();
  EXPECT_EQ(world.Join().end, AgentEnd::kComplete);
  EXPECT_EQ(world.Rows().size(), 400u);
  std::set<std::string> nodes;
  for (const auto& attempt : world.Attempts()) nodes.insert(attempt.node);
  EXPECT_EQ(nodes.size(), 2u);
}

}  // namespace
}  // namespace pj::worker
