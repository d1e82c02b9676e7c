// Model: a small job, its records and its agents as one copyable state; each choice of what happens
// next leads to another. Time stands still but for timers, which may fire whenever they are armed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ledger/agent_core.h"
#include "tests/sim/checker.h"

namespace pj::sim {

struct ModelOptions {
  std::string name;
  uint64_t mini_batches = 3;
  uint64_t roots = 1;
  int agents = 2;
  // Agents of one program share an incarnation, and split from each other. Those of another take
  // each other for dead, and take over at any moment.
  bool strangers = false;
  int crashes = 0;      // each followed by a successor that takes over from all, dead or not
  int losses = 0;       // answers that never come, of requests that arrive or do not
  int timers = 2;       // of each agent
  int failures = 0;     // attempts that fail
  uint64_t epochs = 3;  // of a shard; what comes later is not followed
};

// A request on its way, or its answer on the way back.
struct Message {
  int agent = 0;
  ledger::Call call;
  bool answered = false;
  ledger::Reply reply;
};

struct ModelAgent {
  explicit ModelAgent(const ledger::AgentConfig& config) : core(config) {}

  ledger::AgentCore core;
  Sender sender;
  bool alive = true;
  bool ended = false;
  Nanos now{0};
  std::optional<Nanos> timer;
  int timers = 0;
  std::map<uint64_t, std::string> stems;  // shard → segment of its epoch
  std::vector<ledger::OutputMark> synced;
  std::vector<uint64_t> synced_lo;
  std::vector<ledger::Assignment> running;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> started_to;  // (shard, epoch) → end of started
};

struct Stored {
  uint64_t version = 0;
  std::string bytes;
};

// Copyable. The checker asks the model that is being changed, whichever that is.
class Model {
 public:
  explicit Model(const ModelOptions& options);
  Model(const Model& other);
  Model& operator=(const Model&) = delete;

  // Strangers take a shard from each other for ever: later epochs teach nothing new.
  bool BeyondEpochs() const;
  // How many things can happen next; Do carries the i-th out.
  size_t Choices() const { return Moves().size(); }
  void Do(size_t choice);
  std::string Describe(size_t choice) const;
  std::string Fingerprint() const;
  const std::string& violation() const { return checker_.violation(); }
  // Nothing can happen any more, and nothing was lost for good: then all must be done.
  void CheckEnd();

 private:
  struct Move {
    enum class Kind : uint8_t {
      kArrive,
      kAnswer,
      kLoseRequest,
      kLoseAnswer,
      kRun,
      kFinish,
      kFail,
      kSynced,
      kTimer,
      kCrash
    };
    Kind kind;
    int index = 0;
  };

  std::vector<Move> Moves() const;
  void AddAgentMoves(int index, std::vector<Move>* out) const;
  void Bind();
  void StartAgent(int ordinal, const std::string& program);
  void Step(int agent, const ledger::Event& event);
  void Carry(int agent, const std::vector<ledger::Effect>& effects);
  void CarryOne(int agent, const ledger::Effect& effect);
  void Run(int agent);
  void Finish(int agent, ledger::AttemptStatus status);
  ledger::Reply Execute(const Message& message);
  void Crash(int agent);
  std::string FingerprintOf(const Message& message) const;

  ModelOptions options_;
  Checker checker_;
  std::map<std::string, Stored> store_;
  std::vector<ModelAgent> agents_;
  std::vector<Message> messages_;
  uint64_t next_version_ = 1;
  uint64_t next_run_ = 0;
  int crashes_ = 0;
  int losses_ = 0;
  int failures_ = 0;
};

}  // namespace pj::sim
