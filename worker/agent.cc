// The agent's loop: one thread that waits for slots, the zygote, the I/O thread and the clock, and
// lets the ledger's core decide.
#include "worker/agent.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "worker/dispatcher.h"
#include "worker/io_thread.h"
#include "worker/schema_gate.h"
#include "worker/segment_book.h"

namespace pj::worker {
namespace {

// A commit before the tick when so much waits for it: cheap here, a write of the API server there.
constexpr size_t kLocalCommitBytes = 4 << 20;
constexpr size_t kClusterCommitBytes = 32 << 20;
constexpr size_t kMaxPendingBytes = 64 << 20;  // with more than this, no new work until then
constexpr int kEvents = 64;
constexpr int kRounds = 8;  // of filling before events are looked at again
constexpr Nanos kLongestWait = Seconds(10);

bool IsLeaseWrite(const ledger::Call& call) {
  using Op = ledger::Call::Op;
  return call.op == Op::kCreateLease || call.op == Op::kPutLease;
}

// What others must hear of a busy worker, whose Lease is not renewed: a few steps up to its first
// mini-batch, and that an init() is over for which their clocks pause.
bool IsNews(const job::WorkerState& told, const job::WorkerState& now) {
  if (now.environment_ready != told.environment_ready) return true;
  if ((now.started > 0) != (told.started > 0)) return true;
  return told.initialising != now.initialising && (told.initialising || now.started == 0);
}

class AgentLoop : public Agent, private WorkSink {
 public:
  explicit AgentLoop(AgentOptions options)
      : options_(std::move(options)),
        core_(options_.core),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        objects_{options_.ns, options_.core.job, options_.core.identity},
        io_(StoreClient(options_.api, objects_)),
        gate_(options_.api, objects_),
        book_({.dir = options_.segments_dir,
               .holder = options_.core.holder,
               .incarnation = options_.core.incarnation,
               .node = options_.job.node,
               .address = options_.address,
               .on_committed = options_.on_committed},
              &io_),
        dispatcher_({.job = options_.job,
                     .timeouts = options_.timeouts,
                     .slots = static_cast<int>(options_.core.slots),
                     .plan = options_.plan,
                     .guardian = options_.guardian,
                     .clock = options_.clock,
                     .stats = &stats_,
                     .epoll = epoll_.get(),
                     .sink = this}) {}

  AgentResult Run() override;
  const AgentStats& Stats() const override { return stats_; }
  void SetControl(const ledger::Control& control) override;
  std::vector<std::pair<int, int>> Processes() const override { return dispatcher_.Processes(); }

 private:
  // WorkSink
  void Take(size_t max, std::vector<ledger::Assignment>* out) override;
  void GiveBack(const ledger::Assignment& assignment) override;
  void Ended(const EndedAttempt& attempt) override;
  void HostDied() override;
  void Fatal(AgentEnd end, const std::string& reason, Error error) override;

  Status Watch(int fd);
  void Round();
  void WaitForEvents();
  int WaitMillis() const;
  void HandleIo();
  void HandleControl();
  void ApplyControl(const ledger::Control& control);
  void Step(const ledger::Event& event);
  void RunEffects();
  void RunEffect(const ledger::Effect& effect);
  void PostCall(ledger::Call call);
  job::WorkerState State() const;
  void LookForNews();
  void OnFinished(const ledger::Finished& finished);
  void OnUndecided(Error error);
  void Finish(const EndedAttempt& attempt);
  Result<std::optional<Misfit>> CheckSchema(const EndedAttempt& attempt);
  void Stop(AgentEnd end, const std::string& reason, std::optional<Error> error);
  void StopForStorage(Error error);
  void EndProcesses();
  Nanos Now() const { return options_.clock->Monotonic(); }

  const AgentOptions options_;
  const size_t commit_bytes_ = options_.core.local ? kLocalCommitBytes : kClusterCommitBytes;
  ledger::AgentCore core_;
  AgentStats stats_;
  UniqueFd epoll_;
  UniqueFd wake_;
  const JobObjects objects_;
  IoThread io_;
  SchemaGate gate_;
  SegmentBook book_;
  Dispatcher dispatcher_;

  std::vector<ledger::Effect> effects_;
  std::vector<ledger::Effect> running_effects_;
  std::vector<IoDone> done_;
  Nanos timer_{Nanos::max()};
  job::WorkerState telling_;              // of the last write of the Lease
  std::optional<job::WorkerState> told_;  // of the last one that came through
  bool work_available_ = false;
  bool over_ = false;                 // nothing more to decide
  bool draining_for_ending_ = false;  // no slot is left: commit, release, then end
  AgentResult result_;
  std::mutex control_mutex_;
  std::vector<ledger::Control> controls_;  // guarded by control_mutex_
};

Status AgentLoop::Watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = MakeTag(Tag::kAgent, static_cast<uint32_t>(fd));
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return FailErrno(errno, "cannot watch an event descriptor");
  }
  return {};
}

AgentResult AgentLoop::Run() {
  Status ready = Watch(wake_.get());
  if (ready) ready = Watch(io_.event_fd());
  if (ready) ready = dispatcher_.Start();
  if (!ready) {
    Stop(AgentEnd::kError, "AgentNotStarted", ready.error());
  } else {
    Step(ledger::Started{});
    RunEffects();
  }
  while (!over_) {
    WaitForEvents();
    Round();
  }
  EndProcesses();
  io_.Flush();
  return std::move(result_);
}

int AgentLoop::WaitMillis() const {
  const Nanos now = Now();
  const Nanos next = std::min({timer_, dispatcher_.NextCheck(), now + kLongestWait});
  if (next <= now) return 0;
  return static_cast<int>(std::chrono::ceil<Millis>(next - now).count());
}

void AgentLoop::WaitForEvents() {
  epoll_event events[kEvents];
  const int n = ::epoll_wait(epoll_.get(), events, kEvents, WaitMillis());
  for (int i = 0; i < n; ++i) {
    const uint64_t tag = events[i].data.u64;
    if (tag == MakeTag(Tag::kAgent, static_cast<uint32_t>(wake_.get()))) {
      HandleControl();
    } else if (tag == MakeTag(Tag::kAgent, static_cast<uint32_t>(io_.event_fd()))) {
      HandleIo();
    } else {
      dispatcher_.Handle(tag);
    }
  }
  if (dispatcher_.NextCheck() <= Now()) dispatcher_.CheckTimes();
}

void AgentLoop::Round() {
  if (timer_ <= Now() && !over_) {
    timer_ = Nanos::max();
    core_.NoteRunning(dispatcher_.RunningSlots());
    LookForNews();
    Step(ledger::TimerFired{});
  }
  for (int i = 0; i < kRounds && !over_; ++i) {
    work_available_ = false;
    const size_t pending = book_.PendingBytes();
    if (pending >= commit_bytes_) Step(ledger::CommitWanted{});
    if (pending < kMaxPendingBytes) {
      dispatcher_.Fill();
      core_.NoteIdle(dispatcher_.HasIdleSlot());
    }
    core_.Poll(Now(), &effects_);
    RunEffects();
    if (!work_available_) break;
  }
}

void AgentLoop::HandleIo() {
  done_.clear();
  io_.TakeDone(&done_);
  for (IoDone& done : done_) {
    if (auto* call = std::get_if<CallDone>(&done)) {
      const bool ok = call->reply.outcome == ledger::Reply::Outcome::kOk;
      const bool get = call->call.op == ledger::Call::Op::kGet;
      if (ok && !get) stats_.commits.fetch_add(1, std::memory_order_relaxed);
      if (ok && IsLeaseWrite(call->call)) told_ = telling_;
      if (ok) book_.OnCommitted(get ? call->reply.record : call->call.record);
      Step(std::move(call->reply));
    } else if (auto* failed = std::get_if<CallFailed>(&done)) {
      return StopForStorage(std::move(failed->error));
    } else {
      auto& sync = std::get<SyncDone>(done);
      if (!sync.mark) return StopForStorage(sync.mark.error());
      Step(ledger::OutputSynced{sync.lo, std::move(*sync.mark)});
    }
    RunEffects();
  }
}

void AgentLoop::SetControl(const ledger::Control& control) {
  {
    std::lock_guard lock(control_mutex_);
    controls_.push_back(control);
  }
  const uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void AgentLoop::HandleControl() {
  uint64_t count = 0;
  static_cast<void>(!::read(wake_.get(), &count, sizeof count));
  std::vector<ledger::Control> controls;
  {
    std::lock_guard lock(control_mutex_);
    controls.swap(controls_);
  }
  for (const ledger::Control& control : controls) {
    // Without slots only the way out is left.
    if (draining_for_ending_ && control.mode != ledger::Control::Mode::kAbort) continue;
    ApplyControl(control);
  }
}

void AgentLoop::ApplyControl(const ledger::Control& control) {
  if (control.mode == ledger::Control::Mode::kAbort) dispatcher_.KillAll();
  if (control.mode == ledger::Control::Mode::kDrain) dispatcher_.StopFeeding();
  Step(ledger::ControlChanged{control});
  RunEffects();
}

void AgentLoop::Step(const ledger::Event& event) {
  if (!over_) core_.Step(event, Now(), &effects_);
}

void AgentLoop::RunEffects() {
  while (!effects_.empty() && !over_) {
    running_effects_.clear();
    running_effects_.swap(effects_);
    for (const ledger::Effect& effect : running_effects_) {
      if (!over_) RunEffect(effect);
    }
  }
}

void AgentLoop::RunEffect(const ledger::Effect& effect) {
  if (const auto* call = std::get_if<ledger::Call>(&effect)) {
    PostCall(*call);
  } else if (const auto* open = std::get_if<ledger::OpenSegment>(&effect)) {
    if (Status opened = book_.Open(*open); !opened) StopForStorage(opened.error());
  } else if (const auto* sync = std::get_if<ledger::SyncOutput>(&effect)) {
    book_.Sync(sync->lo);
  } else if (const auto* drop = std::get_if<ledger::DropRange>(&effect)) {
    dispatcher_.Drop(drop->lo, drop->from);
    if (drop->from <= drop->lo) book_.Close(drop->lo);
  } else if (const auto* timer = std::get_if<ledger::SetTimer>(&effect)) {
    timer_ = timer->at;
  } else if (std::holds_alternative<ledger::WorkAvailable>(effect)) {
    work_available_ = true;
  } else if (const auto* finished = std::get_if<ledger::Finished>(&effect)) {
    OnFinished(*finished);
  } else if (const auto* stalled = std::get_if<ledger::Stalled>(&effect)) {
    const bool corrupt = stalled->error.code == Code::kCorrupt;
    Stop(AgentEnd::kError, corrupt ? "LedgerCorrupt" : "LedgerStalled", stalled->error);
  }
}

job::WorkerState AgentLoop::State() const {
  const uint64_t started = stats_.started.load();
  job::WorkerState state{.environment_ready = stats_.environment_ready.load(),
                         .initialising = stats_.initialising.load(),
                         .started = started,
                         .progress = started,
                         .slots = options_.core.slots};
  if (draining_for_ending_) {
    state.lost_reason = result_.reason;
    if (result_.error) state.lost_message = result_.error->ToString();
  }
  return state;
}

// A write that did not come through is news again with the next tick.
void AgentLoop::LookForNews() {
  if (!options_.core.local && (!told_ || IsNews(*told_, State()))) core_.NoteState();
}

// With a sign of life goes how this worker stands.
void AgentLoop::PostCall(ledger::Call call) {
  if (IsLeaseWrite(call)) {
    telling_ = State();
    call.note = job::EncodeWorkerState(telling_);
  }
  io_.PostCall(std::move(call));
}

void AgentLoop::OnFinished(const ledger::Finished& finished) {
  over_ = true;
  if (draining_for_ending_) return;  // the result stands already
  switch (finished.why) {
    case ledger::Finished::Why::kDrained:
      result_.end = AgentEnd::kDrained;
      break;
    case ledger::Finished::Why::kAborted:
      result_.end = AgentEnd::kAborted;
      break;
    case ledger::Finished::Why::kComplete:
      result_.end = AgentEnd::kComplete;
      break;
  }
}

void AgentLoop::Stop(AgentEnd end, const std::string& reason, std::optional<Error> error) {
  if (over_) return;
  over_ = true;
  result_ = {end, reason, std::move(error)};
}

void AgentLoop::StopForStorage(Error error) {
  const char* reason = error.code == Code::kNoSpace   ? "NoSpace"
                       : error.code == Code::kCorrupt ? "LedgerCorrupt"
                                                      : "StorageFailed";
  Stop(AgentEnd::kError, reason, std::move(error));
}

void AgentLoop::EndProcesses() {
  timer_ = Nanos::max();
  const bool orderly = result_.end == AgentEnd::kComplete || result_.end == AgentEnd::kDrained;
  if (orderly) {
    dispatcher_.BeginShutdown();
  } else {
    dispatcher_.KillAll();
  }
  while (!dispatcher_.AllGone()) {
    WaitForEvents();
    dispatcher_.Fill();
  }
  dispatcher_.Close();
}

void AgentLoop::Take(size_t max, std::vector<ledger::Assignment>* out) {
  core_.Take(max, Now(), out);
}

void AgentLoop::GiveBack(const ledger::Assignment& assignment) {
  core_.GiveBack(assignment, Now());
}

void AgentLoop::HostDied() {
  Step(ledger::SlotHostDied{});
  RunEffects();
}

void AgentLoop::Fatal(AgentEnd end, const std::string& reason, Error error) {
  if (end != AgentEnd::kSlotsLost) return Stop(end, reason, std::move(error));
  if (over_ || draining_for_ending_) return;
  // What is done is committed and the shards are released, so that others can take them over.
  draining_for_ending_ = true;
  result_ = {end, reason, std::move(error)};
  dispatcher_.StopFeeding();
  ledger::Control drain;
  drain.mode = ledger::Control::Mode::kDrain;
  drain.tick = options_.core.tick;
  Step(ledger::ControlChanged{drain});
}

// What is wrong with the rows' columns; nothing: they may be committed.
Result<std::optional<Misfit>> AgentLoop::CheckSchema(const EndedAttempt& attempt) {
  const std::string& format = options_.job.append_format;
  const bool header = format == "text" && options_.job.header && attempt.has_columns;
  // Only rows that will be committed fix the columns: of a short attempt those of the last one.
  const bool repeated =
      attempt.status == ledger::AttemptStatus::kRunShort && !attempt.assignment->last_attempt;
  if (attempt.rows == 0 || repeated || (format != "csv" && !header)) return std::nullopt;
  PJ_ASSIGN(std::optional<Misfit> misfit,
            gate_.Check(attempt.has_columns ? attempt.columns : std::string_view()));
  // Text is not compared; the first DataFrame's names become the header line.
  if (header && misfit && misfit->category == "SchemaMismatch") return std::nullopt;
  return misfit;
}

// The attempt is given back and runs again, unless the store failed for good.
void AgentLoop::OnUndecided(Error error) {
  if (StoreFailed(error)) return StopForStorage(std::move(error));
  PJ_WARN("{}", error.ToString());
}

void AgentLoop::Ended(const EndedAttempt& attempt) {
  if (over_) return;
  Result<std::optional<Misfit>> misfit = CheckSchema(attempt);
  if (!misfit) {
    OnUndecided(std::move(misfit).error());
    return GiveBack(*attempt.assignment);
  }
  if (!*misfit) return Finish(attempt);
  EndedAttempt failed = attempt;
  failed.status = ledger::AttemptStatus::kRunException;
  failed.category = (*misfit)->category;
  failed.message = (*misfit)->message;
  failed.rows = 0;
  failed.row_bytes = {};
  Finish(failed);
}

void AgentLoop::Finish(const EndedAttempt& attempt) {
  const ledger::AttemptResult result = book_.Judge(attempt);
  const ledger::Verdict verdict = core_.Finish(result, Now());
  if (verdict == ledger::Verdict::kStale) return;
  book_.Append(attempt, verdict);
  if (attempt.assignment->attempt > 1) stats_.retries.fetch_add(1, std::memory_order_relaxed);
  if (verdict == ledger::Verdict::kRetry) return;
  stats_.finished.fetch_add(1, std::memory_order_relaxed);
  if (verdict == ledger::Verdict::kFailed) stats_.failed.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::unique_ptr<Agent> Agent::Create(AgentOptions options) {
  return std::make_unique<AgentLoop>(std::move(options));
}

}  // namespace pj::worker
