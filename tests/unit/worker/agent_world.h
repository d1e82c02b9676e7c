// AgentWorld: one agent with everything around it (plan of small files, embedded API, guardian,
// Python slots that run a given script) in a temporary folder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kube/memory_api.h"
#include "ledger/record.h"
#include "output/segment.h"
#include "plan/plan.h"
#include "unit/temp_dir.h"
#include "worker/agent.h"
#include "worker/guardian.h"

namespace pj::worker {

class AgentWorld {
 public:
  // `files` inputs of one line each; a mini-batch holds one file.
  explicit AgentWorld(int files, const std::string& script);
  ~AgentWorld();

  AgentOptions options;  // change before Start()
  Agent& agent() { return *agents_.front(); }
  // Several instances of the same job: call once for each.
  void Start();
  // Waits until all agents are done; the first one's result.
  AgentResult Join();
  AgentResult Run() {
    Start();
    return Join();
  }

  // The sealed ledger, and what its committed segments hold.
  std::vector<ledger::ShardRecord> Seal();
  std::map<uint64_t, std::string> Rows();  // mini-batch → bytes
  std::vector<output::AttemptRecord> Attempts();
  ledger::Counters Counters();
  std::string File(const std::string& name) const;  // below the folder; "" if it is not there
  const std::string& dir() const { return dir_; }
  kube::MemoryApi& api() { return *api_; }
  void WriteScript(const std::string& script);

 private:
  const TempDir temp_;
  const std::string& dir_ = temp_.str();
  std::unique_ptr<Guardian> guardian_;
  std::unique_ptr<plan::Plan> plan_;
  std::unique_ptr<kube::MemoryApi> api_;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::vector<std::jthread> threads_;
  std::vector<AgentResult> results_;
  std::vector<ledger::ShardRecord> sealed_;
};

}  // namespace pj::worker
