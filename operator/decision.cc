#include "operator/decision.h"

#include "base/json.h"
#include "job/rules.h"
#include "operator/kueue.h"
#include "operator/lost_workers.h"

namespace pj::op {
namespace {

using policy::JobState;

// A released Lease is nobody's, and a silent one the dead's.
bool Lives(const Turn& turn, const WorkerLeaseView& lease) {
  return !lease.holder.empty() && !IsSilent(turn, lease);
}

std::vector<policy::WorkerReport> Reports(const Turn& turn) {
  std::vector<policy::WorkerReport> out;
  for (const WorkerLeaseView& lease : turn.world.leases) {
    if (!Lives(turn, lease)) continue;
    out.push_back({.slots_lost = !lease.state.lost_reason.empty(),
                   .reason = lease.state.lost_reason,
                   .message = lease.state.lost_message});
  }
  return out;
}

Nanos Ran(const Turn& turn) {
  const std::optional<WallTime> started = turn.job().started;
  return started ? turn.clock.Wall() - *started : Nanos(0);
}

std::optional<Nanos> Deadline(const api::ParallelJobSpec& spec) {
  if (!spec.active_deadline_seconds) return std::nullopt;
  return Seconds(*spec.active_deadline_seconds);
}

// The clocks stand while nobody could work: no loss of pods, or of all of them, fails a job.
policy::Verdict Watch(Turn* turn, const Decision& decision) {
  bool anybody = false;
  bool initialising = false;
  policy::Sums sums = decision.sums;
  for (const WorkerLeaseView& lease : turn->world.leases) {
    const bool lives = Lives(*turn, lease);
    anybody = anybody || lives;
    initialising = initialising || (lives && lease.state.initialising);
    sums.anything_started = sums.anything_started || lease.state.started > 0;
    sums.progress += lease.state.progress;
  }
  const bool paused = decision.suspended || initialising || !anybody;
  if (!turn->memory.watchdog) {
    turn->memory.watchdog.emplace(job::ThresholdsOf(turn->spec()), turn->now());
  }
  return turn->memory.watchdog->Judge(sums, decision.environment_ready, paused, turn->now());
}

policy::Verdict Judge(Turn* turn, const Decision& decision) {
  const JobWorld& world = turn->world;
  if (world.result) return VerdictOf(*world.result);
  if (world.control && world.control->mode == ledger::Control::Mode::kAbort) {
    return policy::FromAbortReason(world.control->reason);
  }
  policy::Verdict verdict = policy::JudgeCancel(turn->spec().cancel);
  if (verdict.state != JobState::kRunning) return verdict;
  if (!decision.Stalled()) {
    if (world.plan) verdict = Watch(turn, decision);
    if (verdict.state == JobState::kRunning) verdict = policy::JudgeWorkers(Reports(*turn));
  }
  if (verdict.state == JobState::kRunning && !decision.suspended && !HeldByQueue(*turn)) {
    verdict = policy::JudgeDeadline(Ran(*turn), Deadline(turn->spec()));
  }
  return verdict;
}

void LookForDamage(const Turn& turn, Decision* decision) {
  constexpr char kReason[] = "LedgerCorrupt";
  if (turn.world.result) return;
  if (!turn.world.damage.empty()) {
    decision->stalled_reason = kReason;
    decision->stalled_message = turn.world.damage;
  } else if (const job::WorkerState* worker = Troubled(turn, kReason)) {
    decision->stalled_reason = kReason;
    decision->stalled_message = worker->trouble_message;
  }
}

// Timeouts come without any event: look again while one can.
void Wake(Turn* turn, const Decision& decision) {
  if (decision.Decided() || decision.suspended) return;
  turn->WakeIn(Seconds(5));
  if (const std::optional<Nanos> deadline = Deadline(turn->spec())) {
    turn->WakeIn(*deadline - Ran(*turn) + Millis(1));
  }
}

}  // namespace

const job::WorkerState* Troubled(const Turn& turn, const std::string& reason) {
  if (turn.world.result) return nullptr;
  for (const auto* leases : {&turn.world.leases, &turn.world.other_leases}) {
    for (const WorkerLeaseView& lease : *leases) {
      const std::string& its = lease.state.trouble_reason;
      if (lease.holder.empty() || its.empty() || IsSilent(turn, lease)) continue;
      if (reason.empty() || reason == its) return &lease.state;
    }
  }
  return nullptr;
}

policy::Verdict VerdictOf(const job::StoredResult& result) {
  const Result<Json> summary = ParseJson(result.summary_json, "result");
  policy::Verdict verdict;
  verdict.state = result.exit_code == 0 ? JobState::kComplete : JobState::kFailed;
  verdict.reason = result.exit_code == 0 ? "Complete" : "Failed";
  if (!summary || !summary->is_object()) return verdict;
  verdict.reason = summary->value("reason", verdict.reason);
  verdict.message = summary->value("message", std::string());
  return verdict;
}

Decision Decide(Turn* turn) {
  const JobWorld& world = turn->world;
  Decision decision;
  if (!world.job.problem.empty()) {
    decision.invalid = true;
    decision.stalled_reason = "InvalidSpec";
    decision.stalled_message = world.job.problem;
    return decision;
  }
  LookForDamage(*turn, &decision);
  decision.sums = policy::Sum(world.shards, world.plan ? world.plan->mini_batches : 0);
  for (const WorkerLeaseView& lease : world.leases) {
    decision.environment_ready =
        decision.environment_ready || (Lives(*turn, lease) && lease.state.environment_ready);
  }
  decision.suspended = turn->spec().suspend && !world.result;
  decision.verdict = Judge(turn, decision);
  decision.suspended = decision.suspended && !decision.Decided();
  Wake(turn, decision);
  return decision;
}

}  // namespace pj::op
