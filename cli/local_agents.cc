// LocalRun, second half: agents, the wait for them, and how the run ends.
#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/log.h"
#include "cli/console.h"
#include "cli/exit_codes.h"
#include "cli/finish.h"
#include "cli/local_run.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "job/rules.h"
#include "worker/settings.h"

namespace pj::cli {
namespace {

// A reader that does not read, or a disk that hangs, holds up the end by no more than this.
constexpr unsigned kLastWordsSeconds = 2;

std::string NodeName(uint32_t ordinal) { return fmt::format("instance-{}", ordinal); }

// The failure that an earlier start had written into the control object before it died.
policy::Verdict FailureFrom(const std::string& reason) {
  const size_t colon = reason.find(": ");
  policy::Verdict verdict{policy::JobState::kFailed, reason, ""};
  if (colon != std::string::npos) {
    verdict.reason = reason.substr(0, colon);
    verdict.message = reason.substr(colon + 2);
  }
  return verdict;
}

// Does not wait for it: it goes on when this process has ended.
void RemoveBehind(const std::string& folder) {
  if (folder.empty()) return;
  posix_spawn_file_actions_t quiet;
  ::posix_spawn_file_actions_init(&quiet);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    ::posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_WRONLY, 0);
  }
  std::string words[] = {"rm", "-rf", "--", folder};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  pid_t pid = 0;
  ::posix_spawnp(&pid, "rm", &quiet, nullptr, argv, environ);
  ::posix_spawn_file_actions_destroy(&quiet);
}

}  // namespace

worker::AgentOptions LocalRun::AgentOptionsFor(uint32_t ordinal) const {
  worker::AgentOptions options;
  options.core.identity = state_->identity();
  options.core.ordinal = ordinal;
  options.core.holder = NodeName(ordinal);
  options.core.incarnation = incarnation_;
  options.core.mini_batches = facts_.mini_batches;
  options.core.roots = facts_.roots;
  options.core.slots = slots_;
  options.core.tick = Millis(options_.tick_ms);
  options.core.local = true;
  options.core.seed = ordinal + 1;
  options.ns = kNamespace;
  options.job.python = python_;
  options.job.runtime_dir = runtime_dir_;
  options.job.code_exclude = {dir_.root()};
  options.job.scratch_dir = scratch_;
  options.job.env = env_;
  options.job.logs_dir = dir_.Logs();
  options.job.node = NodeName(ordinal);
  options.job.slots_before = static_cast<int>(ordinal * slots_);
  options.plan = plan_.get();
  options.api = api_.get();
  options.guardian = guardian_.get();
  options.segments_dir = dir_.Segments();
  options.clock = &SystemClock();
  options.on_committed = [this](const output::AttemptRecord& record) {
    processed_->Add(record);
    live_->Add(record);
  };
  worker::TakeSettings(job_.job, resolved_, ThreadsPerSlot(job_.job.spec), &options);
  return options;
}

Status LocalRun::MakeAgents() {
  const auto instances = static_cast<uint32_t>(job_.job.spec.instance_count.value);
  ControllerOptions control;
  for (uint32_t i = 0; i < instances; ++i) {
    agents_.push_back(worker::Agent::Create(AgentOptionsFor(i)));
    control.agents.push_back(agents_.back().get());
    const Seconds interval(job_.job.spec.resource_monitor_interval_seconds.value);
    if (interval.count() > 0) {
      monitors_.push_back(report::ResourceMonitor::Start(
          dir_.Logs(), NodeName(i), interval,
          [agent = agents_.back().get()] { return agent->Processes(); }));
    }
  }
  control.state = state_.get();
  control.thresholds = job::ThresholdsOf(job_.job.spec);
  control.mini_batches = facts_.mini_batches;
  control.tick = Millis(options_.tick_ms);
  if (job_.job.spec.active_deadline_seconds) {
    control.deadline = Seconds(*job_.job.spec.active_deadline_seconds);
  }
  controller_ = std::make_unique<LocalController>(std::move(control));
  return {};
}

ProgressNow LocalRun::Now() const {
  ProgressNow now = at_start_;
  for (const auto& agent : agents_) {
    const worker::AgentStats& stats = agent->Stats();
    now.done += stats.finished.load(std::memory_order_relaxed);
    now.failed += stats.failed.load(std::memory_order_relaxed);
    now.retries += stats.retries.load(std::memory_order_relaxed);
    now.slots_busy += stats.slots_busy.load(std::memory_order_relaxed);
    now.slots += stats.slots_ready.load(std::memory_order_relaxed);
  }
  now.done = std::min(now.done, now.total);
  return now;
}

Result<report::LiveState> LocalRun::LiveNow() const {
  PJ_ASSIGN(const std::vector<ledger::ShardRecord> shards, state_->ListShards());
  report::LiveState live{.summary = SummaryOf(job_.job.name, facts_, shards),
                         .nodes = earlier_.Nodes()};
  live.summary.state = "Running";
  live.summary.duration_seconds = SecondsSinceStart(*state_);
  for (size_t i = 0; i < agents_.size(); ++i) {
    const worker::AgentStats& stats = agents_[i]->Stats();
    report::Totals& node = live.nodes[NodeName(static_cast<uint32_t>(i))];
    const uint64_t failed = stats.failed.load(std::memory_order_relaxed);
    node.succeeded += std::max(stats.finished.load(std::memory_order_relaxed), failed) - failed;
    node.failed += failed;
    node.retries += stats.retries.load(std::memory_order_relaxed);
    node.processes = std::max<uint64_t>(node.processes, stats.slots_ready.load());
  }
  return live;
}

void LocalRun::RunAgents() {
  WaitForAgents();
  controller_->Stop();
  monitors_.clear();
  processed_->Flush();
  // What a full disk took from the report is in the ledger: once more, now that there may be room.
  if (processed_->Dropped() > 0) {
    if (Status again = PrepareReports(); !again) PJ_WARN("{}", again.error().ToString());
  }
}

void LocalRun::WaitForAgents() {
  const UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
  ends_.resize(agents_.size());
  std::atomic<size_t> running{agents_.size()};
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < agents_.size(); ++i) {
    threads.emplace_back([this, i, &running, &wake] {
      ends_[i] = agents_[i]->Run();
      if (ends_[i].end == worker::AgentEnd::kError) controller_->Drain();
      running.fetch_sub(1);
      const uint64_t one = 1;
      if (::write(wake.get(), &one, sizeof one) != sizeof one)
        PJ_WARN("cannot wake the main thread");
    });
  }
  controller_->Start();
  ProgressLine line(!options_.quiet, at_start_.done, SystemClock().Monotonic());
  while (running.load() > 0) {
    TakeSignal(signals_->Wait(Millis(100), wake.get()));
    processed_->Flush();
    live_->Refresh(SystemClock().Monotonic(), [this] { return LiveNow(); });
    line.Show(Now(), SystemClock().Monotonic());
  }
  line.End(Now(), SystemClock().Monotonic());
  SetLastWords();
  signals_.reset();
}

void LocalRun::TakeSignal(int number) {
  const bool hung_up = number == SIGHUP;  // nobody is there who could ask for more than a drain
  if (number == 0 || (interrupted_ && hung_up)) return;
  if (interrupted_) StopAtOnce();
  interrupted_ = true;
  PrintErr("\ninterrupted: running mini-batches finish and are saved; again = stop at once\n");
  controller_->Drain();
}

// Tells what is saved before it ends the slots: the agents live on for as long as this process, and
// would take the end of a slot for a failed attempt.
void LocalRun::StopAtOnce() {
  std::signal(SIGALRM, [](int) { ::_exit(kExitInterrupted); });
  ::alarm(kLastWordsSeconds);
  PrintErr("\nstopped at once: what is saved is kept; the same command goes on from there\n");
  const RunOutcome outcome = Unfinished(std::nullopt);
  if (options_.file.json) Print("{}\n", outcome.progress_json);
  FlushOut();
  guardian_->End();
  RemoveBehind(scratch_);
  ::_exit(kExitInterrupted);
}

Result<RunOutcome> LocalRun::Finish(std::optional<policy::Verdict> failure) {
  FinishRequest request;
  request.job = &job_;
  request.dir = &dir_;
  request.resolved = &resolved_;
  request.state = state_.get();
  request.plan = facts_;
  request.thresholds = job::ThresholdsOf(job_.job.spec);
  request.incarnation = incarnation_ + "-seal";
  request.failure = std::move(failure);
  Result<StoredResult> result = FinishRun(request);
  if (!result) return Unfinished(result.error());
  RunOutcome outcome;
  outcome.result = std::move(*result);
  return outcome;
}

RunOutcome LocalRun::Committed() {
  RunOutcome outcome;
  outcome.interrupted = interrupted_;
  if (Result<std::vector<ledger::ShardRecord>> shards = state_->ListShards(); shards) {
    outcome.progress = SummaryOf(job_.job.name, facts_, *shards);
    outcome.progress.duration_seconds = SecondsSinceStart(*state_);
  }
  outcome.progress.outputs = resolved_.outputs;
  outcome.progress.logs = dir_.Logs();
  outcome.progress_json = FinalJson(job_, outcome.progress);
  return outcome;
}

RunOutcome LocalRun::Unfinished(std::optional<Error> error) {
  if (Result<report::LiveState> live = LiveNow(); live && live_) {
    live->summary.state = "Unfinished";
    live_->Write(*live);
  }
  RunOutcome outcome = Committed();
  outcome.error = std::move(error);
  return outcome;
}

// While no agent runs, a signal ends the program: what is saved is told beforehand.
void LocalRun::SetLastWords() {
  LastWords::Say("\ninterrupted: what is saved is kept; the same command goes on from there\n",
                 options_.file.json ? Committed().progress_json + "\n" : "");
}

Result<RunOutcome> LocalRun::Conclude() {
  if (agents_.empty()) {  // the end of an earlier start
    PJ_ASSIGN(std::optional<ledger::Control> control, state_->store().LoadControl());
    const bool aborted = control && control->mode == ledger::Control::Mode::kAbort;
    return Finish(aborted ? std::optional(FailureFrom(control->reason)) : std::nullopt);
  }
  if (std::optional<policy::Verdict> failure = controller_->Failure()) return Finish(failure);
  bool complete = false;
  size_t lost = 0;
  const worker::AgentResult* lost_end = nullptr;
  for (const worker::AgentResult& end : ends_) {
    if (end.end == worker::AgentEnd::kError) return Unfinished(end.error);
    complete = complete || end.end == worker::AgentEnd::kComplete;
    if (end.end == worker::AgentEnd::kSlotsLost) {
      ++lost;
      lost_end = &end;
    }
  }
  if (complete) return Finish(std::nullopt);
  if (lost == ends_.size() && !interrupted_) {
    return Finish(policy::Verdict{policy::JobState::kFailed, lost_end->reason,
                                  lost_end->error ? lost_end->error->ToString() : ""});
  }
  return Unfinished(controller_->StoreError());
}

}  // namespace pj::cli
