// LocalController: what the operator does in a cluster, as a thread of the local program: sums the
// shards each tick, takes the verdict and alone writes the control object.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "cli/run_state.h"
#include "policy/verdict.h"
#include "worker/agent.h"

namespace pj::cli {

struct ControllerOptions {
  RunState* state = nullptr;           // outlives the controller
  std::vector<worker::Agent*> agents;  // outlive it too
  policy::Thresholds thresholds;
  uint64_t mini_batches = 0;
  Nanos tick{Millis(200)};
  std::optional<Nanos> deadline;  // after this long the job fails (DeadlineExceeded)
};

// Start() once; the thread ends with Stop() or destruction. The other members are thread-safe.
class LocalController {
 public:
  explicit LocalController(ControllerOptions options) : options_(std::move(options)) {}
  void Start();
  void Stop();
  // Asks the agents to finish their running calls, commit and release.
  void Drain();
  // The verdict, once it is Failed; also the first error of the store.
  std::optional<policy::Verdict> Failure() const;
  std::optional<Error> StoreError() const;

 private:
  void Loop(const std::stop_token& stop);
  void Tick(policy::Watchdog* watchdog, Nanos now);
  void Send(ledger::Control::Mode mode, const std::string& reason);
  void AskBack(const std::vector<ledger::ShardRecord>& shards);
  void Remember(const Error& error);

  ControllerOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::optional<policy::Verdict> failure_;
  std::optional<Error> store_error_;
  bool drain_wanted_ = false;
  bool draining_ = false;
  int idle_ticks_ = 0;           // in a row: a slot had nothing to do
  std::vector<uint64_t> asked_;  // the shards whose owners are asked to retreat
  Nanos started_{0};
  std::jthread thread_;  // last: joined before the rest goes
};

}  // namespace pj::cli
