// Agents whose slots run below a slot host, as in a pod: it comes late, dies, and comes again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "agent_fixture.h"
#include "host_process.h"
#include "unit/temp_dir.h"
#include "wait_for.h"

namespace pj::worker {
namespace {

class AgentHostTest : public AgentTest {
 protected:
  // A world whose agent knows of no guardian but the host on socket_.
  AgentWorld& HostedWorld(int files, const std::string& script) {
    AgentWorld& world = World(files, script);
    guardian_ = Guardian::Remote(socket_);
    world.options.guardian = guardian_.get();
    world.options.job.python = "python3";
    world.options.job.env = {{"PARALLELJOB_TRANSPORT", GetParam()}};
    return world;
  }
  void StartHost() {
    host_.reset();
    host_ = std::make_unique<HostProcess>(
        socket_, std::map<std::string, std::string>{{"IMAGE", "bookworm"}});
  }
  static void ExpectEverythingDoneOnce(AgentWorld& world, size_t files) {
    EXPECT_EQ(world.Rows().size(), files);
    const auto attempts = world.Attempts();
    EXPECT_EQ(attempts.size(), files);
    for (const auto& attempt : attempts) {
      EXPECT_EQ(attempt.status, ledger::AttemptStatus::kRunDone) << attempt.mini_batch;
      EXPECT_EQ(attempt.attempt, 1U) << attempt.mini_batch;
    }
  }

  const TempDir dir_;
  const std::string socket_ = dir_.str() + "/host.sock";
  std::unique_ptr<Guardian> guardian_;
  std::unique_ptr<HostProcess> host_;
};

INSTANTIATE_TEST_SUITE_P(Transports, AgentHostTest, ::testing::Values("native", "pure"),
                         [](const auto& transport) { return transport.param; });

// The first time, number 6 says that it runs, and stays.
constexpr char kStaysOnce[] = R"(
import os, signal
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    flag = os.path.dirname(mini_batch[0]) + "/../running"
    if number == 6 and not os.path.exists(flag):
        open(flag, "w").write("yes")
        signal.pause()
    return [number]
)";

TEST_P(AgentHostTest, SlotsHaveTheHostsEnvironmentAndCopiesOfItsCode) {
  AgentWorld& world = HostedWorld(20, R"(
import os
def run(mini_batch):
    here = os.path.relpath(os.getcwd(), os.path.dirname(mini_batch[0]))
    return ["%s %s %s" % (os.environ["IMAGE"], here[:-1], os.path.exists("entry.py"))]
)");
  StartHost();
  const AgentResult result = world.Run();
  ASSERT_EQ(result.end, AgentEnd::kComplete) << (result.error ? result.error->ToString() : "");
  ExpectEverythingDoneOnce(world, 20);
  EXPECT_EQ(world.Rows().at(0), "bookworm ../scratch/instance-0-slot True\n");
}

TEST_P(AgentHostTest, AnAgentThatIsThereFirstWaitsForTheHost) {
  AgentWorld& world = HostedWorld(20, kEcho);
  world.Start();
  EXPECT_TRUE(WaitFor([&] { return world.agent().Stats().commits > 0; }));  // owns its shard
  StartHost();
  EXPECT_EQ(world.Join().end, AgentEnd::kComplete);
  ExpectEverythingDoneOnce(world, 20);
}

TEST_P(AgentHostTest, AHostThatIsKilledWhileAMiniBatchRunsChargesNobody) {
  AgentWorld& world = HostedWorld(20, kStaysOnce);
  StartHost();
  world.Start();
  EXPECT_TRUE(WaitFor([&] { return world.File("running") == "yes"; }));
  host_->Kill();
  StartHost();
  const AgentResult result = world.Join();
  ASSERT_EQ(result.end, AgentEnd::kComplete) << (result.error ? result.error->ToString() : "");
  ExpectEverythingDoneOnce(world, 20);
}

TEST_P(AgentHostTest, WhileTheHostIsAwayTheAgentStillObeys) {
  AgentWorld& world = HostedWorld(20, kStaysOnce);
  StartHost();
  world.Start();
  EXPECT_TRUE(WaitFor([&] { return world.File("running") == "yes"; }));
  host_->Kill();
  EXPECT_TRUE(WaitFor([&] { return world.agent().Processes().empty(); }));
  ledger::Control drain;
  drain.mode = ledger::Control::Mode::kDrain;
  world.agent().SetControl(drain);
  EXPECT_EQ(world.Join().end, AgentEnd::kDrained);
}

// As the kubelet does, somebody starts the host whenever it has died.
TEST_P(AgentHostTest, AMiniBatchThatKillsTheHostIsChargedOnlyAlone) {
  AgentWorld& world = HostedWorld(20, R"(
import os, signal
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    if number == 6:
        host = int(open("/proc/%d/stat" % os.getppid()).read().split()[3])
        os.kill(host, signal.SIGKILL)
        signal.pause()
    return [number]
)");
  world.options.core.max_retries = 1;
  std::atomic<int> hosts{0};
  AgentResult result;
  {
    const std::jthread kubelet([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        HostProcess host(socket_);
        ++hosts;
        EXPECT_TRUE(WaitFor([&] { return stop.stop_requested() || !Alive(host.pid()); }, 60));
      }
    });
    result = world.Run();
  }
  ASSERT_EQ(result.end, AgentEnd::kComplete) << (result.error ? result.error->ToString() : "");
  EXPECT_EQ(world.Rows().at(6), "");
  EXPECT_EQ(world.Counters().mini_batches_failed, 1U);
  EXPECT_GE(hosts, 3);  // once among others, twice alone
  for (const auto& attempt : world.Attempts()) {
    const bool good = attempt.status == ledger::AttemptStatus::kRunDone;
    EXPECT_EQ(good, attempt.mini_batch != 6U);
  }
}

TEST_P(AgentHostTest, CodeThatCannotBeReadStopsTheAgentWithItsReason) {
  AgentWorld& world = HostedWorld(2, kEcho);
  world.options.job.code_dir = world.dir() + "/no code";
  StartHost();
  const AgentResult result = world.Run();
  EXPECT_EQ(result.end, AgentEnd::kError);
  EXPECT_EQ(result.reason, "CodeUnreadable");
  ASSERT_TRUE(result.error);
  EXPECT_THAT(result.error->ToString(), ::testing::HasSubstr("no code"));
}

}  // namespace
}  // namespace pj::worker
