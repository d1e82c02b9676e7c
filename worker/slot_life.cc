// The life of processes: zygote and spare, start, kill, end, what an end means, and when a slot
// retires.
#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "worker/dispatcher.h"
#include "worker/process_logs.h"
#include "worker/process_tree.h"
#include "worker/slot_job.h"
#include "worker/stack_text.h"

namespace pj::worker {
namespace {

constexpr int kInitTries = 3;
constexpr int kForgivenKills = 3;
constexpr int kZygoteTries = 3;            // before it ever said hello
constexpr int kHostLosses = 20;            // in a row, without any attempt's end between
constexpr Nanos kLogsAgain = Millis(250);  // between two looks at the size of logs
constexpr Nanos kKillGrace = Seconds(10);  // from SIGKILL to the exit status
constexpr size_t kTailBytes = 2000;

// The end of a log, for an error that has nothing better to show.
std::string TailOf(const std::string& path) {
  const Result<std::string> text = ReadFile(path);
  if (!text) return {};
  return text->size() <= kTailBytes ? *text : text->substr(text->size() - kTailBytes);
}

// The slot's runtime ends itself with these codes (python/paralleljob/slot.py).
constexpr int kLostConnection = 70;
constexpr int kSetupFailed = 71;

std::string DescribeEnd(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == kLostConnection) return "broke its connection";
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSetupFailed) return "could not be set up";
  // Python's own ways out are caught: what is left is os._exit, or exit() of C code.
  return DescribeExit(status) + (WIFEXITED(status) ? " by os._exit" : "");
}

bool IsKill(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

}  // namespace

Status Dispatcher::Start() {
  MakeLogFolders(options_.job.logs_dir, options_.job.node);
  PJ_TRY(MakeDirs(options_.job.scratch_dir));
  return StartZygote();
}

Status Dispatcher::MakeProcess(int index, bool user, std::unique_ptr<SlotProcess>* out) {
  const SlotJob& job = options_.job;
  const int number = next_process_++;
  PJ_ASSIGN(auto pair, SeqpacketPair());
  PJ_ASSIGN(SharedPage page, SharedPage::Create());
  PJ_ASSIGN(ProcessLogs logs, OpenProcessLogs(job.logs_dir, job.node, number));
  const int on = 1;
  ::setsockopt(pair.first.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  ::fcntl(pair.first.get(), F_SETFL, O_NONBLOCK);
  const ProcessRequest request{
      .slot = index,
      .process = number,
      .user = user,
      .cwd = user ? slots_[static_cast<size_t>(index)].cwd : "",
      .env = user ? SlotEnvironment(job, index, facts_.gpus) : std::map<std::string, std::string>(),
      .socket = pair.second.get(),
      .page = page.fd(),
      .out = logs.out.get(),
      .err = logs.err.get(),
      .log = logs.log.get()};
  PJ_TRY(zygote_->Spawn(request));
  PJ_TRY(Watch(pair.first.get(), MakeTag(Tag::kProcess, static_cast<uint32_t>(number))));
  *out = std::make_unique<SlotProcess>(number, std::move(pair.first), std::move(page),
                                       std::move(logs));
  return {};
}

void Dispatcher::StartProcess(Slot* slot) {
  if (mode_ != Mode::kFeeding || !zygote_ || failed_) return;
  slot->replace = false;
  if (slot->cwd.empty()) {
    slot->cwd =
        fmt::format("{}/{}-slot{}", options_.job.scratch_dir, options_.job.node, slot->index);
  }
  if (!HasCode(slot)) return;  // or when the copy is there
  if (!AdoptSpare(slot)) {
    if (Status made = MakeProcess(slot->index, /*user=*/true, &slot->process); !made) {
      if (made.error().code == Code::kGone || made.error().code == Code::kUnavailable) {
        host_lost_ = true;
        return;
      }
      return Fail(AgentEnd::kError, "SlotNotStarted", made.error());
    }
  }
  slot->process->phase = Phase::kInitialising;
  slot->process->deadline = Now() + options_.timeouts.init;
  LogLine(*slot->process, fmt::format("started in slot {}", slot->index));
  MakeSpare();
}

void Dispatcher::MakeSpare() {
  if (spare_ || !zygote_ || host_lost_ || mode_ == Mode::kStopping) return;
  if (Status made = MakeProcess(-1, /*user=*/false, &spare_); !made) {
    // Without a spare the next start takes a few milliseconds more.
    PJ_DEBUG("no spare process: {}", made.error().ToString());
    spare_.reset();
    return;
  }
  spare_->phase = Phase::kSpare;
}

bool Dispatcher::AdoptSpare(Slot* slot) {
  if (!spare_) return false;
  const std::string message =
      EncodeHeader({.type = wire::Type::kStart}) +
      DumpJson(Json{{"slot", slot->index},
                    {"cwd", slot->cwd},
                    {"env", SlotEnvironment(options_.job, slot->index, facts_.gpus)}});
  if (!SendFrame(spare_->socket(), message)) return false;
  slot->process = std::move(spare_);
  return true;
}

void Dispatcher::EndProcess(Slot* slot) {
  SlotProcess& process = *slot->process;
  process.phase = Phase::kEnding;
  process.excused = true;
  process.deadline = Now() + options_.timeouts.shutdown;
  const Status sent = SendFrame(process.socket(), EncodeHeader({.type = wire::Type::kShutdown}));
  if (!sent) Kill(&process, "could not be asked to end");
}

void Dispatcher::Kill(SlotProcess* process, std::string why, LastWords words) {
  if (process->phase == Phase::kKilled) return;
  LogLine(*process, "killed: " + why);
  process->killed_why = std::move(why);
  process->phase = Phase::kKilled;
  process->deadline = Now() + kKillGrace;
  process->check_at = Nanos::max();
  if (words == LastWords::kStack) process->stack_from = LogEnd(process->logs().err.get());
  // Without a pid yet: when the zygote has said it.
  if (process->pid != 0 && zygote_ && !zygote_->Kill(process->pid, words)) host_lost_ = true;
}

Nanos Dispatcher::NextCheck() const {
  Nanos next = host_lost_ ? Nanos(0) : std::min(rebalance_at_, logs_at_);
  if (zygote_wanted_) next = std::min(next, look_for_guardian_at_);
  for (const Slot& slot : slots_) {
    if (!slot.process) continue;
    const SlotProcess& process = *slot.process;
    next = std::min({next, process.deadline, process.check_at, process.recall_at});
  }
  return spare_ ? std::min(next, spare_->deadline) : next;
}

void Dispatcher::CheckTimes() {
  const Nanos now = Now();
  if (zygote_wanted_ && now >= look_for_guardian_at_) TryStartZygote();
  for (Slot& slot : slots_) {
    if (slot.process) CheckProcess(&slot, now);
  }
  if (now >= logs_at_) {
    logs_at_ = now + kLogsAgain;
    for (const Slot& slot : slots_) {
      if (slot.process) TrimLogs(slot.process->logs());
    }
  }
  if (spare_ && now >= spare_->deadline) host_lost_ = true;
}

void Dispatcher::CheckProcess(Slot* slot, Nanos now) {
  SlotProcess& process = *slot->process;
  if (now >= process.recall_at) Recall(slot, now);
  if (now >= process.check_at && process.phase == Phase::kReady) {
    process.overdue = process.CheckTime(options_.timeouts, now);
    if (process.overdue) Kill(&process, "over its time", LastWords::kStack);
  }
  if (now < process.deadline) return;
  switch (process.phase) {
    case Phase::kInitialising:
      process.init_category = "InitFailed";
      process.init_message =
          fmt::format("init() did not return within {} s",
                      std::chrono::duration_cast<Seconds>(options_.timeouts.init).count());
      Kill(&process, process.init_message, LastWords::kStack);
      break;
    case Phase::kNotStarted:
      Kill(&process, process.init_message + " (and then it did not end)");
      break;
    case Phase::kEnding:
      PJ_WARN("{} {}: shutdown() did not return within {} s: killed", options_.job.node,
              ProcessName(process.number()),
              std::chrono::duration_cast<Seconds>(options_.timeouts.shutdown).count());
      Kill(&process, "shutdown() did not return in time", LastWords::kStack);
      break;
    case Phase::kClosed:
      Kill(&process, "broke its connection");
      break;
    case Phase::kKilled:
      host_lost_ = true;  // a zygote that does not bury is as good as dead
      break;
    case Phase::kSpare:
    case Phase::kReady:
      process.deadline = Nanos::max();
      break;
  }
}

void Dispatcher::OnExited(int pid, int status) {
  if (spare_ && spare_->pid == pid) {
    spare_.reset();
    MakeSpare();
    return;
  }
  for (Slot& slot : slots_) {
    if (slot.process && slot.process->pid == pid) return OnEnd(&slot, status);
  }
}

void Dispatcher::OnEnd(Slot* slot, int status) {
  while (ReceiveOne(slot) == Got::kHandled) {
  }
  options_.guardian->Sweep();
  const std::unique_ptr<SlotProcess> process = std::move(slot->process);
  const bool ours = process->phase == Phase::kKilled;
  const bool foreign = IsKill(status) && !ours;
  std::string cause = ours ? process->killed_why : DescribeEnd(status);
  if (foreign && OutOfMemoryAgain()) cause += ": out of memory?";
  LogLine(*process, fmt::format("ended: {}", DescribeExit(status)));
  const std::string stack = StackOf(*process, *slot);
  if (process->init_traceback.empty()) process->init_traceback = stack;
  SlotProcess::Remains remains = process->Bury(foreign);
  for (const ledger::Assignment& assignment : remains.innocent) {
    options_.sink->GiveBack(assignment);
  }
  if (remains.culprit) {
    process->did_something = true;
    ReportDeath(*process, *remains.culprit, remains.status, cause, stack);
  }
  if (mode_ == Mode::kStopping) return;
  Recover(slot, *process, foreign, cause);
}

// Where its threads were when it was killed; empty unless they were asked for and answered.
std::string Dispatcher::StackOf(const SlotProcess& process, const Slot& slot) const {
  if (!process.stack_from) return {};
  const std::string runtime = options_.job.runtime_dir + "/paralleljob/";
  return StackInLog(process.logs().err.get(), *process.stack_from,
                    {.code = slot.cwd, .runtime = runtime});
}

// What to do about a module that is not there.
std::string HowToInstall(const DispatcherOptions& options) {
  constexpr char kNameIt[] = "task.environment: {pip: [PACKAGE]}";
  if (options.job.python.find("/paralleljob/envs/") != std::string::npos) {
    return fmt::format("name its package in the job: {}", kNameIt);
  }
  return fmt::format(
      "install it for {} (in a pod: in its image), or run with --env venv --fresh, which installs "
      "what the job names in {}",
      options.job.python, kNameIt);
}

// A traceback without a frame is its last line, which is the message once more.
bool SaysMore(std::string_view traceback) {
  constexpr std::string_view kHead = "Traceback (most recent call last):\n";
  if (traceback.starts_with(kHead)) traceback.remove_prefix(kHead.size());
  const size_t end = traceback.find_last_not_of(" \n");
  return end != std::string_view::npos && traceback.find('\n') < end;
}

// Starts the slot's next process, unless too many in a row came to nothing.
void Dispatcher::Recover(Slot* slot, const SlotProcess& process, bool foreign,
                         const std::string& cause) {
  if (process.was_ready) {
    const bool excused = process.did_something || process.excused || foreign;
    slot->failed_starts = excused ? 0 : slot->failed_starts + 1;
  } else if (!foreign || slot->forgiven++ >= kForgivenKills) {
    ++slot->failed_starts;
  }
  if (slot->failed_starts == 0) return StartProcess(slot);
  const std::string& why = process.init_message.empty() ? cause : process.init_message;
  LogLine(process, fmt::format("start {} of {} failed: {}", slot->failed_starts, kInitTries, why));
  if (slot->failed_starts < kInitTries) return StartProcess(slot);
  Retire(slot, process, why);
}

void Dispatcher::Retire(Slot* slot, const SlotProcess& process, const std::string& cause) {
  slot->retired = true;
  PJ_WARN("{}: slot {} retires after {} failed starts: {}", options_.job.node, slot->index,
          kInitTries, cause);
  const bool all =
      std::all_of(slots_.begin(), slots_.end(), [](const Slot& s) { return s.retired; });
  if (!all) return;
  Error error{Code::kInvalid, cause, options_.job.entry_script,
              "see " + StderrLog(options_.job.node, process.number()) + " in the logs"};
  if (cause.starts_with("ModuleNotFoundError")) {
    error.hint = fmt::format("{}; {}", HowToInstall(options_), error.hint);
  }
  if (SaysMore(process.init_traceback)) error.message += "\n" + process.init_traceback;
  const std::string reason =
      process.init_category == "EntryScriptFailed" ? "EntryScriptFailed" : "InitFailed";
  Fail(AgentEnd::kSlotsLost, reason, std::move(error));
}

void Dispatcher::ReportDeath(const SlotProcess& process, const InFlight& culprit,
                             ledger::AttemptStatus status, const std::string& cause,
                             const std::string& stack) {
  losses_in_a_row_ = 0;
  const Nanos now = Now();
  EndedAttempt attempt;
  attempt.assignment = &culprit.assignment;
  attempt.status = status;
  attempt.process = process.number();
  attempt.elapsed_ns = (now - culprit.sent_at).count();
  attempt.start_wall_ns = options_.clock->Wall().time_since_epoch().count() - attempt.elapsed_ns;
  attempt.items = culprit.items;
  attempt.detail = culprit.detail;
  attempt.traceback = stack;
  std::string message = "the process " + cause;
  attempt.category = "ProcessDied";
  const auto seconds = [](Nanos time) { return std::chrono::duration<double>(time).count(); };
  if (status == ledger::AttemptStatus::kRunTimeout) {
    attempt.category = "Timeout";
    attempt.run_ns = options_.timeouts.run.count();
    message = fmt::format("run() did not return within {:g} s", seconds(options_.timeouts.run));
  } else if (status == ledger::AttemptStatus::kLoadTimeout) {
    attempt.category = "Timeout";
    message = fmt::format("the mini-batch was not loaded and handed to run() within {:g} s",
                          seconds(options_.timeouts.overhead));
  }
  attempt.message = message;
  options_.sink->Ended(attempt);
}

// Whoever ran alone (careful mode) is charged; others that ran are suspects and stay with the
// ledger.
void Dispatcher::BuryWithHost(SlotProcess& process) {
  if (!process.RunsAlone()) {
    for (const ledger::Assignment& assignment : process.GiveBackUnstarted()) {
      options_.sink->GiveBack(assignment);
    }
    return;
  }
  const SlotProcess::Remains remains = process.Bury(/*foreign=*/true);
  for (const ledger::Assignment& assignment : remains.innocent) {
    options_.sink->GiveBack(assignment);
  }
  if (remains.culprit) {
    ReportDeath(process, *remains.culprit, remains.status,
                "died with its slot host while it ran alone");
  }
}

void Dispatcher::HandleHostLoss() {
  host_lost_ = false;
  PJ_WARN("{}: the slot host is gone, and its processes with it", options_.job.node);
  for (Slot& slot : slots_) {
    slot.copying.Reset();
    if (!slot.process) continue;
    while (ReceiveOne(&slot) == Got::kHandled) {
    }
    BuryWithHost(*slot.process);
    slot.process.reset();
  }
  spare_.reset();
  for (const ledger::Assignment& waiting : fresh_waiting_) options_.sink->GiveBack(waiting);
  fresh_waiting_.clear();
  zygote_.reset();
  host_lost_ = false;
  {
    std::lock_guard lock(pids_mutex_);
    pids_.clear();
  }
  options_.sink->HostDied();
  if (mode_ == Mode::kStopping || failed_) return;
  const int limit = hello_ ? kHostLosses : kZygoteTries;
  if (++losses_in_a_row_ >= limit) {
    const std::string log = SystemLogPath(options_.job.logs_dir, options_.job.node, "zygote");
    return Fail(
        AgentEnd::kError, hello_ ? "SlotHostLost" : "PythonFailed",
        {Code::kInternal, fmt::format("the slot host ended {} times:\n{}", limit, TailOf(log)),
         options_.job.python, "see " + log});
  }
  TryStartZygote();
}

void Dispatcher::KillAll() {
  mode_ = Mode::kStopping;
  zygote_wanted_ = false;
  fresh_waiting_.clear();
  for (Slot& slot : slots_) {
    if (slot.process) Kill(slot.process.get(), "the job was stopped");
  }
  if (spare_) Kill(spare_.get(), "the job was stopped");
}

void Dispatcher::BeginShutdown() {
  if (mode_ == Mode::kStopping) return;
  mode_ = Mode::kStopping;
  zygote_wanted_ = false;
  for (Slot& slot : slots_) {
    if (!slot.process) continue;
    if (slot.process->phase == Phase::kReady) {
      EndProcess(&slot);
    } else if (slot.process->phase == Phase::kInitialising ||
               slot.process->phase == Phase::kNotStarted) {
      Kill(slot.process.get(), "no work is left");
    }
  }
  if (spare_) Kill(spare_.get(), "no work is left");
}

void Dispatcher::Close() {
  for (Slot& slot : slots_) {
    slot.process.reset();
    slot.copying.Reset();
  }
  spare_.reset();
  zygote_.reset();
  std::lock_guard lock(pids_mutex_);
  pids_.clear();
}

bool Dispatcher::AllGone() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.process; });
}

std::vector<std::pair<int, int>> Dispatcher::Processes() const {
  std::lock_guard lock(pids_mutex_);
  return pids_;
}

void Dispatcher::LogLine(const SlotProcess& process, const std::string& line) const {
  AppendSystemLog(options_.job.logs_dir, options_.job.node, ProcessName(process.number()),
                  fmt::format("pid {}: {}", process.pid, line));
}

}  // namespace pj::worker
