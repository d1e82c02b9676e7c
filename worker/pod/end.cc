#include "worker/pod/end.h"

#include <utility>

#include "base/backoff.h"
#include "base/hash.h"
#include "base/log.h"
#include "job/rules.h"
#include "job/volumes.h"
#include "kube/leader_election.h"
#include "output/shared_volume.h"
#include "worker/finish.h"
#include "worker/pod/job.h"
#include "worker/pod/volume_probe.h"

namespace pj::worker {
namespace {

using policy::JobState;

// What is said when the ledger was sealed early and nobody says why.
const policy::Verdict& SealedEarly() {
  static const policy::Verdict verdict{JobState::kFailed, "Aborted",
                                       "the job was ended before all mini-batches were done"};
  return verdict;
}

policy::Verdict FailureFrom(const std::optional<ledger::Control>& control) {
  const bool aborted = control && control->mode == ledger::Control::Mode::kAbort;
  return aborted ? policy::FromAbortReason(control->reason) : SealedEarly();
}

kube::LeaderOptions Election(const PodEndOptions& options, Nanos tick) {
  const job::JobObjects& objects = options.store->objects();
  const Seconds step = std::max(Seconds(1), std::chrono::ceil<Seconds>(tick));
  kube::LeaderOptions made{.ns = objects.ns,
                           .name = objects.Name("fin"),
                           .identity = options.incarnation,
                           .seed = Crc32c(options.incarnation)};
  made.lease = 3 * step;
  made.renew = 2 * step;
  made.retry = step;
  made.meta = objects.Meta(made.name);
  made.note_key = job::kWorkerStateNote;
  return made;
}

std::string TroubleNote(const Error& error, const PodEndOptions& options) {
  return job::EncodeWorkerState(
      {.trouble_reason = TroubleReason(error),
       .trouble_message = TroubleMessage(error, options.job->spec, options.store->objects())});
}

// One lost request is no reason to seal, read and publish all of it again.
constexpr Seconds kPatience{30};

Result<job::StoredResult> EndNow(PodEndOptions options) {
  const job::RunStore patient(options.store->api(), options.store->objects(), kPatience);
  options.store = &patient;
  PJ_ASSIGN(const std::optional<ledger::Control> control, patient.LoadControl());
  return EndJob(options, control);
}

}  // namespace

Result<job::StoredResult> EndJob(const PodEndOptions& options,
                                 const std::optional<ledger::Control>& control) {
  PJ_ASSIGN(const std::optional<job::PlanFacts> plan, options.store->LoadPlan());
  if (!plan) return FailJob(options, FailureFrom(control));
  const Result<job::ResolvedJob> resolved = ResolvePodJob(*options.job, *options.folders);
  if (!resolved) {
    return std::unexpected(VolumeUnusable(resolved.error(), options.folders->outputs));
  }
  FinishRequest request;
  request.store = options.store;
  request.resolved = &*resolved;
  request.append_output = options.job->spec.task.append_row_to;
  request.segments_dir = options.folders->segments;
  request.logs_dir = options.folders->logs;
  request.files = options.files;
  request.attempts_scattered = !SharesWork(options.job->spec);
  request.plan = *plan;
  request.thresholds = job::ThresholdsOf(options.job->spec);
  request.incarnation = options.incarnation + "/seal";
  request.started_wall_ns = plan->started_wall_ns;
  request.failure = FailureFrom(control);
  request.ledger_first = true;
  request.processed_csv = true;
  return FinishRun(request);
}

Result<job::StoredResult> FailJob(const PodEndOptions& options, const policy::Verdict& verdict) {
  report::JobSummary summary;
  summary.job = options.store->objects().job;
  summary.state = "Failed";
  summary.reason = verdict.reason;
  summary.message = verdict.message;
  summary.logs = options.folders->logs;
  if (Status logged = report::WriteReports(summary.logs, &summary, NoAttempts()); !logged) {
    summary.message += " · " + logged.error().ToString();
  }
  return options.store->SettleResult(
      {.exit_code = 1, .summary_json = report::SummaryJson(summary)});
}

std::string_view NamedReason(const Error& error) {
  const std::string_view message = error.message;
  const size_t end =
      message.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  const bool named = end != std::string_view::npos && message.substr(end).starts_with(": ");
  return named ? message.substr(0, end) : std::string_view();
}

std::string TroubleReason(const Error& error) {
  if (const std::string_view named = NamedReason(error); !named.empty()) return std::string(named);
  return error.code == Code::kCorrupt ? "LedgerCorrupt" : std::string(CodeName(error.code));
}

std::string TroubleMessage(const Error& error, const api::ParallelJobSpec& spec,
                           const job::JobObjects& objects) {
  std::string text = error.ToString();
  if (const std::string_view named = NamedReason(error); !named.empty()) {
    text.erase(0, named.size() + 2);
  }
  return job::WithPlace(spec, objects, std::move(text));
}

std::optional<job::StoredResult> EndTogether(PodEndOptions options, const EndTurn& turn) {
  output::SharedVolume volume(turn.wait_stopped);
  options.files = &volume;
  kube::LeaderElection election(*options.store->api(), Election(options, turn.tick));
  const kube::LeaderThread thread(election);
  Backoff backoff(Seconds(1), Seconds(30), Crc32c(options.incarnation));
  while (true) {
    const Result<std::optional<job::StoredResult>> known = options.store->LoadResult();
    if (known && *known) return **known;
    Nanos pause = turn.poll;
    const kube::LeaderState state = election.state();
    if (state == kube::LeaderState::kLost) return std::nullopt;  // begin anew
    if (known && state == kube::LeaderState::kLeading) {
      Result<job::StoredResult> ended = EndNow(options);
      if (ended) return std::move(*ended);
      if (ended.error().code == Code::kCancelled) return std::nullopt;
      election.SetNote(TroubleNote(ended.error(), options));
      turn.trouble(ended.error());
      pause = std::max(pause, backoff.Next());
    }
    if (turn.wait_stopped(pause)) return std::nullopt;
  }
}

}  // namespace pj::worker
