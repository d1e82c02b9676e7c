// PodAgent: the turn: result, control, work.
#include "worker/pod/agent.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "ledger/record.h"
#include "worker/pod/agent_impl.h"
#include "worker/pod/job.h"

namespace pj::worker {
namespace {

constexpr Nanos kShortestPoll = Millis(500);
constexpr double kPollsPerSecond = 100;  // of all pods of a job together
constexpr Nanos kShortestIdlePoll = Seconds(1);
constexpr double kIdlePollsPerSecond = 20;

// The manifest knows the number of pods that the job began with; an ordinal, that there are more.
Nanos SharedInterval(const api::ParallelJob& job, int64_t ordinal, double per_second) {
  const int64_t pods = std::max(job.spec.instance_count.value, ordinal + 1);
  const double seconds = static_cast<double>(pods) / per_second;
  return Nanos(static_cast<int64_t>(seconds * 1e9));
}

const char* ModeName(ledger::Control::Mode mode) {
  using Mode = ledger::Control::Mode;
  return mode == Mode::kRun ? "run" : mode == Mode::kDrain ? "drain" : "end";
}

// A Lease lasts three ticks and is written with each: two busy answers do not end it.
Nanos PatienceFor(Nanos tick) { return tick / 2; }

}  // namespace

std::unique_ptr<PodAgent> PodAgent::Create(PodAgentOptions options) {
  return std::make_unique<PodAgentImpl>(std::move(options));
}

PodAgentImpl::PodAgentImpl(PodAgentOptions options)
    : options_(std::move(options)),
      api_(options_.api,
           {.limit = PatienceFor(Seconds(5)), .seed = Crc32c(options_.config.pod_uid)}),
      store_(&api_, options_.config.objects),
      folders_(options_.folders),
      backoff_(Millis(200), Seconds(30), Crc32c(options_.config.pod_uid)),
      lease_({&api_, options_.config.objects},
             options_.config.objects.Name(ledger::WorkerName(options_.config.ordinal))) {}

PodAgentImpl::~PodAgentImpl() { watch_.reset(); }

Result<int> PodAgentImpl::Run() {
  incarnation_ = NewIncarnation(options_.config);
  Result<api::ParallelJob> job = LoadPodManifest(folders_.manifest);
  if (!job) return CannotBegin(job.error());
  job_ = std::move(*job);
  folders_ = FoldersFor(job_.spec, std::move(folders_));
  watch_ = ControlWatch::Start(options_.api, options_.config.objects,
                               [this](const ledger::Control* control) { OnControl(control); });
  Result<int> code = Loop();
  lease_.Release();
  return code;
}

// All pods of the job have this manifest: none can run it, and nobody but us would say so.
Result<int> PodAgentImpl::CannotBegin(const Error& error) {
  if (error.code != Code::kInvalid) return std::unexpected(error);
  PJ_ERROR("{}", error.ToString());
  PJ_TRY(FailJob(EndOptions(), {policy::JobState::kFailed, "InvalidManifest", error.ToString()}));
  return 0;
}

void PodAgentImpl::OnControl(const ledger::Control* control) {
  const std::lock_guard lock(mutex_);
  ++changes_;
  changed_.notify_all();
  gone_ = control == nullptr;
  if (control == nullptr) return HurryIfDeleted();
  const bool news = control_ && control_->mode != control->mode;
  control_ = *control;
  lease_.SetTick(control->tick);
  api_.SetLimit(PatienceFor(control->tick));
  // Whoever is on the way out hears only that it is over.
  if (running_ != nullptr && (!stopped_ || control->mode == Mode::kAbort)) {
    running_->SetControl(*control);
  }
  if (news) PJ_INFO("told to {} {}", ModeName(control->mode), control->reason);
}

void PodAgentImpl::Stop() {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  stopped_ = true;
  api_.Stop();
  ++changes_;
  kill_at_ = SystemClock().Monotonic() + options_.grace;
  HurryIfDeleted();
  changed_.notify_all();
  if (running_ == nullptr) return;
  ledger::Control drain = control_.value_or(ledger::Control{});
  drain.mode = Mode::kDrain;
  running_->SetControl(drain);
}

// The control object and the pod go together only with the job itself: nobody waits for rows.
void PodAgentImpl::HurryIfDeleted() {
  if (gone_ && stopped_ && kill_at_) kill_at_ = SystemClock().Monotonic();
}

std::optional<ledger::Control> PodAgentImpl::Control() {
  const std::lock_guard lock(mutex_);
  changes_seen_ = changes_;
  return control_;
}

bool PodAgentImpl::Stopped() {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

bool PodAgentImpl::WaitForChange(Nanos most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, most, [this] { return stopped_ || changes_ != changes_seen_; });
  return stopped_;
}

bool PodAgentImpl::WaitStopped(Nanos most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, most, [this] { return stopped_; });
  return stopped_;
}

// Thousands of pods wait for one object: together they ask as often as few do.
Nanos PodAgentImpl::PollInterval() const {
  return std::max(kShortestPoll, SharedInterval(job_, options_.config.ordinal, kPollsPerSecond));
}

Nanos PodAgentImpl::IdlePollInterval() const {
  return std::max(kShortestIdlePoll,
                  SharedInterval(job_, options_.config.ordinal, kIdlePollsPerSecond));
}

void PodAgentImpl::Hold(const job::WorkerState& state) { lease_.Hold(incarnation_, state); }

void PodAgentImpl::InTrouble(const std::string& reason, const Error& error) {
  PJ_ERROR("{}: {}", reason, error.ToString());
  Hold({.slots = Slots(),
        .trouble_reason = reason,
        .trouble_message = TroubleMessage(error, job_.spec, options_.config.objects)});
}

bool PodAgentImpl::CheckResult() {
  Result<std::optional<job::StoredResult>> known = store_.LoadResult();
  if (!known) {
    PJ_WARN("{}", known.error().ToString());
    return false;
  }
  if (*known) result_ = std::move(**known);
  return result_.has_value();
}

Result<int> PodAgentImpl::Loop() {
  while (!Stopped()) {
    if (result_ || CheckResult()) {
      PJ_INFO("the job has ended: {}", result_->exit_code == 0 ? "Complete" : "Failed");
      return 0;
    }
    const std::optional<ledger::Control> control = Control();
    bool gone = false;
    {
      const std::lock_guard lock(mutex_);
      gone = gone_;
    }
    if (gone) {
      PJ_WARN("the job's control object was deleted: the job is gone");
      return job::kExitGone;
    }
    if (!control) {
      WaitForChange(PollInterval());
    } else if (Status done = Turn(*control); !done && done.error().code != Code::kCancelled) {
      InTrouble(TroubleReason(done.error()), done.error());
      WaitStopped(backoff_.Next());
    }
  }
  PJ_INFO("asked to stop");
  return job::kExitGone;
}

Status PodAgentImpl::Turn(const ledger::Control& control) {
  if (decided_) {
    EndTheJob();
    return {};
  }
  switch (control.mode) {
    case Mode::kAbort:
      EndTheJob();
      return {};
    case Mode::kDrain:
      lease_.Release();
      WaitForChange(control.tick);
      return {};
    case Mode::kRun:
      break;
  }
  if (lost_) {  // only the operator, or others' success, can end this
    Hold(*lost_);
    WaitForChange(control.tick);
    return {};
  }
  PJ_TRY(Prepare());
  PJ_ASSIGN(const bool planned, EnsurePlan());
  if (result_) return {};
  if (!planned) {
    WaitForChange(PollInterval());
    return {};
  }
  return Work();
}

PodEndOptions PodAgentImpl::EndOptions() const {
  return {.store = &store_, .job = &job_, .folders = &folders_, .incarnation = incarnation_};
}

void PodAgentImpl::EndTheJob() {
  decided_ = true;
  Hold({.environment_ready = true, .slots = Slots()});
  EndTurn turn;
  turn.tick = Control().value_or(ledger::Control{.tick = Seconds(5)}).tick;
  turn.poll = PollInterval();
  turn.wait_stopped = [this](Nanos most) { return WaitStopped(most); };
  turn.trouble = [this](const Error& error) { InTrouble(TroubleReason(error), error); };
  result_ = EndTogether(EndOptions(), turn);
}

}  // namespace pj::worker
