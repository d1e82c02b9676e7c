// PodAgent: the agent while it works, and what its end means.
#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "report/report.h"
#include "worker/pod/agent_impl.h"
#include "worker/pod/job.h"
#include "worker/pod/live_errors.h"
#include "worker/pod/live_overview.h"
#include "worker/settings.h"

namespace pj::worker {

uint32_t PodAgentImpl::Slots() const {
  if (job_.spec.max_concurrency_per_instance) {
    return static_cast<uint32_t>(*job_.spec.max_concurrency_per_instance);
  }
  return options_.config.gpus > 0 ? 1 : std::max(1U, options_.slots.cores);
}

AgentOptions PodAgentImpl::OptionsFor(const ledger::Control& control) {
  const PodConfig& config = options_.config;
  AgentOptions options;
  options.core.identity = config.objects.identity;
  options.core.ordinal = config.ordinal;
  options.core.holder = ledger::WorkerName(config.ordinal);
  options.core.incarnation = incarnation_;
  options.core.mini_batches = facts_->mini_batches;
  options.core.roots = facts_->roots;
  options.core.slots = Slots();
  options.core.tick = control.tick;
  options.core.local = false;
  options.core.seed = config.ordinal + 1;
  options.ns = config.objects.ns;
  options.job.python = options_.slots.python;
  options.job.runtime_dir = options_.slots.runtime_dir;
  options.job.scratch_dir = options_.slots.scratch_dir;
  options.job.env = options_.slots.env;
  options.job.logs_dir = folders_.logs;
  options.job.node = config.Node();
  options.address = config.pod_ip;
  options.plan = plan_.get();
  options.api = store_.api();
  options.guardian = options_.slots.guardian;
  options.segments_dir = folders_.segments;
  options.clock = &SystemClock();
  const uint32_t share = std::max(1U, options_.slots.cores / Slots());
  TakeSettings(job_, resolved_, options_.slots.threads_set ? 0 : share, &options);
  return options;
}

Status PodAgentImpl::Work() {
  PJ_TRY(MakeDirs(folders_.segments));
  incarnation_ = NewIncarnation(options_.config);
  PJ_INFO("working as {} with {} slots", incarnation_, Slots());
  lease_.Rest();
  const AgentResult end = RunAgent();
  AfterWork(end);
  return {};
}

std::unique_ptr<LiveErrors> PodAgentImpl::StartLiveErrors() const {
  if (job_.spec.logs == api::LogsPolicy::kNone) return nullptr;
  return std::make_unique<LiveErrors>(
      LiveErrorsOptions{.store = store_,
                        .plan = *facts_,
                        .logs_dir = folders_.logs,
                        .segments_dir = folders_.segments,
                        .holder = ledger::WorkerName(options_.config.ordinal),
                        .incarnation = incarnation_});
}

// One pod does it for all: while ordinal 0 is away, the overview stays as it is.
std::unique_ptr<LiveOverview> PodAgentImpl::StartLiveOverview() const {
  const bool shared = SharesWork(job_.spec) || job_.spec.instance_count.value <= 1;
  if (options_.config.ordinal != 0 || job_.spec.logs == api::LogsPolicy::kNone || !shared) {
    return nullptr;
  }
  return std::make_unique<LiveOverview>(LiveOverviewOptions{.store = store_,
                                                            .plan = *facts_,
                                                            .logs_dir = folders_.logs,
                                                            .segments_dir = folders_.segments,
                                                            .interval = options_.overview_interval,
                                                            .seed = Crc32c(incarnation_)});
}

// The agent runs on a thread of its own; this one watches it.
AgentResult PodAgentImpl::RunAgent() {
  const std::optional<ledger::Control> control = Control();
  AgentOptions options = OptionsFor(*control);
  const std::unique_ptr<LiveErrors> errors = StartLiveErrors();
  const std::unique_ptr<LiveOverview> overview = StartLiveOverview();
  if (errors) options.on_committed = [&errors](const auto& record) { errors->Add(record); };
  const std::unique_ptr<Agent> agent = Agent::Create(std::move(options));
  std::unique_ptr<report::ResourceMonitor> monitor;
  const Seconds interval(job_.spec.resource_monitor_interval_seconds.value);
  if (interval.count() > 0) {
    monitor = report::ResourceMonitor::Start(
        folders_.logs, options_.config.Node(), interval, [&agent] { return agent->Processes(); },
        [guardian = options_.slots.guardian](const std::vector<int>& pids) {
          return guardian->Sample(pids);
        });
  }
  {
    const std::lock_guard lock(mutex_);
    running_ = agent.get();
    ledger::Control now = *control_;
    if (stopped_) now.mode = Mode::kDrain;
    running_->SetControl(now);
  }
  AgentResult end;
  bool over = false;
  std::jthread thread([&] {
    AgentResult got = agent->Run();
    const std::lock_guard lock(mutex_);
    end = std::move(got);
    over = true;
    changed_.notify_all();
  });
  WatchAgent(&over);
  return end;
}

// Until it is `over` (guarded by mutex_): cuts a drain short, and looks for the end of a job of
// which nothing is left to do here.
void PodAgentImpl::WatchAgent(const bool* over) {
  std::unique_lock lock(mutex_);
  while (!*over) {
    if (!stopped_) {
      const auto woken = [&] { return *over || stopped_; };
      if (!changed_.wait_for(lock, IdlePollInterval(), woken)) WatchIdleness(&lock, over);
      continue;
    }
    if (!kill_at_) {
      changed_.wait(lock, [&] { return *over; });
      continue;
    }
    const Nanos end = *kill_at_;
    const auto woken = [&] { return *over || kill_at_ != end; };
    if (changed_.wait_for(lock, end - SystemClock().Monotonic(), woken)) continue;
    kill_at_.reset();
    PJ_WARN("running calls did not end in time: they are killed");
    running_->SetControl({.mode = Mode::kAbort, .tick = control_->tick});
  }
  running_ = nullptr;
}

void PodAgentImpl::WatchIdleness(std::unique_lock<std::mutex>* lock, const bool* over) {
  const AgentStats& stats = running_->Stats();
  if (stats.slots_busy.load() > 0 || stats.initialising.load() || !stats.environment_ready.load()) {
    return;
  }
  lock->unlock();
  const bool ended = CheckResult();
  lock->lock();
  if (!ended || *over) return;
  running_->SetControl({.mode = Mode::kAbort, .tick = control_->tick});
}

void PodAgentImpl::AfterWork(const AgentResult& end) {
  switch (end.end) {
    case AgentEnd::kComplete:
      backoff_.Reset();
      return EndTheJob();
    case AgentEnd::kAborted:
      if (!Stopped() && !result_) EndTheJob();
      return;
    case AgentEnd::kDrained:
      backoff_.Reset();
      return;
    case AgentEnd::kSlotsLost: {
      const std::string message = end.error ? end.error->ToString() : "";
      PJ_ERROR("no slot is left: {}: {}", end.reason, message);
      lost_ = {.environment_ready = true,
               .slots = Slots(),
               .lost_reason = end.reason,
               .lost_message = message};
      return Hold(*lost_);
    }
    case AgentEnd::kError:
      InTrouble(end.reason, end.error.value_or(Error{}));
      WaitStopped(backoff_.Next());
      return;
  }
}

}  // namespace pj::worker
