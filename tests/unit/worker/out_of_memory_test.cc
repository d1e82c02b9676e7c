// The memory controller's kills are told apart from other SIGKILLs: by its count before and after.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent_fixture.h"

namespace pj::worker {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// The true guardian, but for the number of kills: each look at the facts shows the next of them.
class CountingGuardian : public Guardian {
 public:
  CountingGuardian(Guardian* real, std::vector<Result<uint64_t>> kills)
      : real_(real), kills_(std::move(kills)) {}

  void End() override { real_->End(); }
  bool Ready() override { return real_->Ready(); }
  Result<int> Spawn(const SpawnRequest& request) override { return real_->Spawn(request); }
  Status Kill(int pid) override { return real_->Kill(pid); }
  void Sweep() override { real_->Sweep(); }
  Result<bool> Copy(const CodeCopy& copy, int done) override { return real_->Copy(copy, done); }
  Result<HostFacts> Facts() override {
    const Result<uint64_t>& kills = kills_[std::min(looks_++, kills_.size() - 1)];
    if (!kills) return std::unexpected(kills.error());
    PJ_ASSIGN(HostFacts facts, real_->Facts());
    facts.oom_kills = *kills;
    return facts;
  }
  std::vector<std::optional<report::ProcessSample>> Sample(const std::vector<int>& pids) override {
    return real_->Sample(pids);
  }
  size_t looks() const { return looks_; }

 private:
  Guardian* real_;
  std::vector<Result<uint64_t>> kills_;
  size_t looks_ = 0;
};

// Numbers 1, 2 and 3 are killed by somebody, number 4 ends itself.
constexpr char kDies[] = R"(
import os, signal
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    if number in (1, 2, 3):
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        os._exit(9)
    return [number]
)";

class OutOfMemoryTest : public AgentTest {
 protected:
  // Mini-batch → how its process died. `kills`: when the zygote starts, then at each foreign kill.
  std::map<uint64_t, std::string> DeathsWith(std::vector<Result<uint64_t>> kills) {
    AgentWorld& world = World(6, kDies);
    const size_t looks = kills.size();
    guardian_ = std::make_unique<CountingGuardian>(world.options.guardian, std::move(kills));
    world.options.guardian = guardian_.get();
    world.options.core.max_retries = 0;
    world.options.core.slots = 1;
    EXPECT_EQ(world.Run().end, AgentEnd::kComplete);
    EXPECT_EQ(guardian_->looks(), looks);
    std::map<uint64_t, std::string> deaths;
    for (const output::AttemptRecord& attempt : world.Attempts()) {
      if (attempt.status != ledger::AttemptStatus::kRunDone) {
        EXPECT_EQ(attempt.category, "ProcessDied");
        deaths[attempt.mini_batch] = attempt.message;
      }
    }
    EXPECT_EQ(deaths.size(), 4u);
    return deaths;
  }

 private:
  std::unique_ptr<CountingGuardian> guardian_;
};

INSTANTIATE_TEST_SUITE_P(Transports, OutOfMemoryTest, ::testing::Values("native", "pure"),
                         [](const auto& tested) { return tested.param; });

TEST_P(OutOfMemoryTest, OnlyAKillThatWasCountedIsSaidToBeOne) {
  auto deaths = DeathsWith({5u, 5u, 6u, 6u});  // earlier kills are nobody's
  EXPECT_THAT(deaths[1], AllOf(HasSubstr("SIGKILL"), Not(HasSubstr("memory"))));
  EXPECT_THAT(deaths[2], AllOf(HasSubstr("SIGKILL"), EndsWith(": out of memory?")));
  EXPECT_THAT(deaths[3], AllOf(HasSubstr("SIGKILL"), Not(HasSubstr("memory"))));
  EXPECT_THAT(deaths[4], Not(HasSubstr("memory"))) << "it ended by itself";
}

TEST_P(OutOfMemoryTest, WithoutACountNothingIsGuessed) {
  const Error gone{Code::kUnavailable, "no facts", "", ""};
  auto deaths = DeathsWith({5u, std::unexpected(gone), 6u, 7u});
  EXPECT_THAT(deaths[1], AllOf(HasSubstr("SIGKILL"), Not(HasSubstr("memory"))));
  EXPECT_THAT(deaths[2], EndsWith(": out of memory?"));
  EXPECT_THAT(deaths[3], EndsWith(": out of memory?"));
}

}  // namespace
}  // namespace pj::worker
