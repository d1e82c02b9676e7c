// Dispatcher: the slots of one instance. Starts and ends their processes, feeds them frames,
// watches their times, and says what became of each attempt.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ledger/agent_core.h"
#include "plan/plan.h"
#include "worker/agent.h"
#include "worker/slot_process.h"
#include "worker/zygote_client.h"

namespace pj::worker {

// One attempt's end, good or bad. The views live for the call.
struct EndedAttempt {
  const ledger::Assignment* assignment = nullptr;
  ledger::AttemptStatus status = ledger::AttemptStatus::kRunDone;
  int process = 0;
  int64_t start_wall_ns = 0, elapsed_ns = 0, run_ns = 0, cpu_ns = 0;
  uint64_t items = 0;  // as planned
  uint64_t items_returned = 0;
  uint64_t rows = 0;
  bool has_columns = false;
  std::string_view row_bytes, columns, category, message, traceback, detail;
};

// Where work comes from and goes to: the agent. Called on its thread only.
class WorkSink {
 public:
  virtual ~WorkSink() = default;
  virtual void Take(size_t max, std::vector<ledger::Assignment>* out) = 0;
  virtual void GiveBack(const ledger::Assignment& assignment) = 0;
  virtual void Ended(const EndedAttempt& attempt) = 0;
  // The zygote died with all slots; what was running is suspect.
  virtual void HostDied() = 0;
  // Nothing can go on: no slot is left, or the machine fails us.
  virtual void Fatal(AgentEnd end, const std::string& reason, Error error) = 0;
};

struct DispatcherOptions {
  SlotJob job;
  Timeouts timeouts;
  int slots = 1;
  const plan::Plan* plan = nullptr;
  Guardian* guardian = nullptr;
  const Clock* clock = nullptr;
  AgentStats* stats = nullptr;
  int epoll = -1;  // where sockets are registered; the tag of an event goes to Handle
  WorkSink* sink = nullptr;
};

// Tags of epoll events: kind in the upper half, number in the lower.
enum class Tag : uint32_t { kAgent = 0, kZygote = 1, kProcess = 2, kCode = 3 };
inline uint64_t MakeTag(Tag kind, uint32_t number) {
  return static_cast<uint64_t>(kind) << 32 | number;
}

// All but Processes() belongs to the agent's thread.
class Dispatcher {
 public:
  explicit Dispatcher(DispatcherOptions options);
  ~Dispatcher();

  Status Start();
  void Handle(uint64_t tag);
  // Gives out work as far as there is some. Call it after events.
  void Fill();
  // When to call CheckTimes() at the latest.
  Nanos NextCheck() const;
  void CheckTimes();

  void Drop(uint64_t lo, uint64_t from);
  // A drain: what was not started goes back, nothing more is given out.
  void StopFeeding();
  void KillAll();
  // shutdown() in every process; those still initialising are killed.
  void BeginShutdown();
  bool AllGone() const;
  // Ends the zygote too.
  void Close();
  size_t RunningSlots() const;
  // As Fill() left it: a slot that is ready has nothing to do.
  bool HasIdleSlot() const { return idle_; }
  std::vector<std::pair<int, int>> Processes() const;

 private:
  struct Slot {
    int index = 0;
    std::string cwd;
    UniqueFd copying;  // the code is being copied to `cwd`: a pipe that will say how it went
    std::unique_ptr<SlotProcess> process;  // none: retired, waiting for a zygote or for the code
    bool retired = false;
    bool replace = false;   // to end when idle: a fresh process is wanted
    int failed_starts = 0;  // in a row: init() failed, or died without doing anything
    int forgiven = 0;       // foreign SIGKILLs before init() returned
    double average_ns = 0;  // of one mini-batch
    size_t frame = 1;       // entries
    size_t frame_cap = 0;   // by size of the payloads
  };
  enum class Mode { kFeeding, kDraining, kStopping };

  // dispatcher.cc: feeding
  bool CanFeed(const Slot& slot) const;
  bool MaySendAhead(const Slot& slot) const;
  void FillSlot(Slot* slot);
  bool PickWork(Slot* slot, size_t max);
  bool NeedsOther(const Slot& slot, const ledger::Assignment& assignment) const;
  void Send(Slot* slot);
  void Replace(Slot* slot);
  size_t FreshOnTheWay() const;
  void Rebalance();
  void Recall(Slot* slot, Nanos now);
  Slot* BusiestFor(Nanos now, bool* look_again);

  // slot_host_side.cc: what the slots' machine or container must give
  Status Watch(int fd, uint64_t tag);
  Status StartZygote();
  Status StartZygoteNow();
  void TryStartZygote();
  bool HasCode(Slot* slot);
  void OnCodeCopied(Slot* slot);
  bool OutOfMemoryAgain();

  // slot_life.cc: processes
  Status MakeProcess(int slot, bool user, std::unique_ptr<SlotProcess>* out);
  void StartProcess(Slot* slot);
  void MakeSpare();
  bool AdoptSpare(Slot* slot);
  void EndProcess(Slot* slot);
  void Kill(SlotProcess* process, std::string why, LastWords words = LastWords::kNone);
  void CheckProcess(Slot* slot, Nanos now);
  void OnExited(int pid, int status);
  void OnEnd(Slot* slot, int status);
  void Recover(Slot* slot, const SlotProcess& process, bool foreign, const std::string& cause);
  void Retire(Slot* slot, const SlotProcess& process, const std::string& cause);
  void HandleHostLoss();
  void BuryWithHost(SlotProcess& process);
  void ReportDeath(const SlotProcess& process, const InFlight& culprit,
                   ledger::AttemptStatus status, const std::string& cause,
                   const std::string& stack = {});
  std::string StackOf(const SlotProcess& process, const Slot& slot) const;
  void UpdateStats();
  void LogLine(const SlotProcess& process, const std::string& line) const;

  // slot_messages.cc: what processes say
  void OnZygote();
  void OnReadable(Slot* slot);
  enum class Got { kNothing, kHandled, kGone };
  Got ReceiveOne(Slot* slot);
  bool HandleMessage(Slot* slot, const FrameHeader& header, std::string_view body);
  bool HandleResults(Slot* slot, uint16_t count, std::string_view body);
  bool OnReady(Slot* slot, std::string_view body);
  void OnInitError(Slot* slot, std::string_view body);
  void OnNote(const Slot& slot, std::string_view body);
  Result<std::string> ReadBig(const Received& got, std::string_view body) const;
  void Measure(Slot* slot, uint16_t count, int64_t work_ns);
  void Broken(Slot* slot, const std::string& how);

  Nanos Now() const { return options_.clock->Monotonic(); }
  void Fail(AgentEnd end, const std::string& reason, Error error);
  template <class Visit>
  void ForEachProcess(const Visit& visit);

  const DispatcherOptions options_;
  std::unique_ptr<ZygoteClient> zygote_;
  uint32_t zygotes_ = 0;  // started so far
  bool hello_ = false;
  bool host_lost_ = false;      // to be handled at the top of the next round
  bool zygote_wanted_ = false;  // as soon as the guardian is there
  Nanos look_for_guardian_at_{0};
  Nanos logs_at_{0};  // when to look at the size of the logs
  HostFacts facts_;   // when the zygote was started; oom_kills: as last seen
  int losses_in_a_row_ = 0;
  std::vector<Slot> slots_;
  std::unique_ptr<SlotProcess> spare_;
  int next_process_ = 0;
  size_t rotation_ = 0;  // whom to feed first
  bool idle_ = false;
  Mode mode_ = Mode::kFeeding;
  bool failed_ = false;
  std::deque<ledger::Assignment> fresh_waiting_;
  Nanos rebalance_at_{Nanos::max()};
  RunFrame frame_;
  std::vector<ledger::Assignment> picked_;
  std::vector<char> buffer_;
  static constexpr size_t kNotes = 100;
  std::set<std::string> noted_;  // each note of user code's process is told once
  mutable std::mutex pids_mutex_;
  std::vector<std::pair<int, int>> pids_;  // guarded by pids_mutex_
};

}  // namespace pj::worker
