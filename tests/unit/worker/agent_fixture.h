// AgentTest: one agent on a small world of files, with either transport of the slots.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent_world.h"

namespace pj::worker {

inline constexpr char kEcho[] = R"(
def init():
    pass

def run(mini_batch):
    return [open(path).read().strip() for path in mini_batch]
)";

// Every test runs with the native module and in pure Python.
class AgentTest : public ::testing::TestWithParam<std::string> {
 protected:
  AgentWorld& World(int files, const std::string& script) {
    world_ = std::make_unique<AgentWorld>(files, script);
    world_->options.job.env["PARALLELJOB_TRANSPORT"] = GetParam();
    return *world_;
  }

 private:
  std::unique_ptr<AgentWorld> world_;
};

inline output::AttemptRecord FirstOf(const std::vector<output::AttemptRecord>& attempts,
                                     ledger::AttemptStatus status) {
  for (const auto& attempt : attempts) {
    if (attempt.status == status) return attempt;
  }
  ADD_FAILURE() << "no attempt with status " << ledger::AttemptStatusName(status);
  return {};
}

}  // namespace pj::worker
