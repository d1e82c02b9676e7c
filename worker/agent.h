// Agent: one worker instance. Drives the ledger (AgentCore), feeds slots, appends segments,
// commits. A thread of the local program, or the main program of a worker pod.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kube/api.h"
#include "ledger/agent_core.h"
#include "output/segment.h"
#include "plan/plan.h"

namespace pj::worker {

class Guardian;  // guardian.h: the process above zygotes and slots

// What the slots of one instance run: goes to the zygote as a JSON file (job description).
struct SlotJob {
  std::string python;       // interpreter, absolute
  std::string runtime_dir;  // folder that holds the package `paralleljob`
  std::string code_dir;     // original; each slot gets a private writable copy below `scratch_dir`
  std::vector<std::string>
      code_exclude;  // absolute paths left out of the copies (the job's own DIR)
  std::string scratch_dir;
  std::string entry_script;                // "x.py" or dotted module
  std::vector<std::string> argv;           // the script's own arguments
  std::map<std::string, std::string> env;  // whole environment of the slots
  std::string job_name;
  std::string output_dir;  // folder of the appended output; may be empty
  std::string logs_dir;
  std::string node;      // "instance-0"
  int slots_before = 0;  // of other instances on this machine: they take its first GPUs
  std::string logging_level = "INFO";
  std::string append_format;   // "", "text", "csv", "jsonl"
  bool header = false;         // text: DataFrames with a header line
  bool count_rows = false;     // success policy: fewer items than given is RUN_SHORT
  bool import_pandas = false;  // table input: the zygote imports pandas
  const plan::TableSchema* table = nullptr;
  std::map<std::string, std::string> inputs;  // name → path (for context.dataset)
};

struct Timeouts {
  Nanos run{Seconds(60)};
  Nanos overhead{Seconds(600)};
  Nanos init{Seconds(600)};
  Nanos shutdown{Seconds(60)};
};

struct AgentOptions {
  ledger::AgentConfig core;
  std::string ns = "default";
  SlotJob job;
  Timeouts timeouts;
  const plan::Plan* plan = nullptr;
  kube::Api* api = nullptr;  // thread-safe
  Guardian* guardian = nullptr;
  std::string segments_dir;
  std::string address = "127.0.0.1";  // of this instance, for reports
  const Clock* clock = nullptr;
  // Called on the agent's threads, must be quick: a committed attempt (for
  // processed_mini-batches.csv).
  std::function<void(const output::AttemptRecord&)> on_committed;
};

// What the progress line and the controller read while the agent runs. All relaxed atomics.
struct AgentStats {
  std::atomic<uint64_t> finished{0};  // terminal mini-batches, committed or not
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> retries{0};
  std::atomic<uint64_t> commits{0};
  std::atomic<uint32_t> slots_busy{0};
  std::atomic<uint32_t> slots_ready{0};
  std::atomic<bool> environment_ready{false};
  std::atomic<bool> initialising{false};  // some slot is within init()'s own timeout
  std::atomic<uint64_t> started{0};       // attempts handed to a running slot
};

enum class AgentEnd {
  kComplete,  // every mini-batch is terminal and committed
  kDrained,   // asked to stop; all committed and released
  kAborted,
  kSlotsLost,  // no slot came up: `error` is EntryScriptFailed / InitFailed with the traceback
  kError,      // disk full, ledger corrupt, API rejected: see `error`
};
struct AgentResult {
  AgentEnd end = AgentEnd::kComplete;
  std::string reason;  // CamelCase, for kSlotsLost and kError
  std::optional<Error> error;
};

// Run() belongs to one thread and returns when the agent is done; Stats() and Control() to any.
class Agent {
 public:
  static std::unique_ptr<Agent> Create(AgentOptions options);
  virtual ~Agent() = default;
  virtual AgentResult Run() = 0;
  virtual const AgentStats& Stats() const = 0;
  // New control record (the local controller calls it; in a pod a named watch does).
  virtual void SetControl(const ledger::Control& control) = 0;
  // (process number, pid) of the living slots, for the resource monitor.
  virtual std::vector<std::pair<int, int>> Processes() const = 0;
};

}  // namespace pj::worker
