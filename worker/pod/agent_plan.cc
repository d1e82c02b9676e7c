// PodAgent: the plan: ordinal 0 makes it, the others wait for it (protocol §1).
#include <filesystem>
#include <utility>

#include "base/fs.h"
#include "base/log.h"
#include "job/volumes.h"
#include "ledger/record.h"
#include "output/shared_volume.h"
#include "worker/planning.h"
#include "worker/pod/agent_impl.h"
#include "worker/pod/job.h"
#include "worker/pod/volume_probe.h"

namespace pj::worker {
namespace {

constexpr int kLeaseTicks = 3;  // without a sign for so long: gone

// Nothing that waiting mends: the job itself, or its data, cannot be used.
bool IsFinal(const Error& error) {
  return error.code == Code::kInvalid || error.code == Code::kNotFound ||
         error.code == Code::kTooLarge;
}

// "EmptyInput: no files …" → EmptyInput.
policy::Verdict FailureOf(const Error& error) {
  policy::Verdict verdict{policy::JobState::kFailed, "PlanningFailed", error.ToString()};
  if (const std::string_view named = NamedReason(error); !named.empty()) {
    verdict.reason = named;
    verdict.message.erase(0, named.size() + 2);
  } else if (error.code == Code::kNotFound) {
    verdict.reason = "InputNotFound";
  }
  return verdict;
}

}  // namespace

// A volume that cannot be used may be mended while we wait.
Status PodAgentImpl::Prepare() {
  if (prepared_) return {};
  PJ_TRY(ProbeVolume(folders_.segments, Places().unique));
  Result<job::ResolvedJob> resolved = ResolvePodJob(job_, folders_);
  if (!resolved) return std::unexpected(VolumeUnusable(resolved.error(), folders_.outputs));
  // Else the job would find out when all its work is done.
  if (!resolved->append_file.empty()) {
    const std::string folder = std::filesystem::path(resolved->append_file).parent_path().string();
    PJ_TRY(ProbeVolume(folder, Places().unique));
  }
  resolved_ = std::move(*resolved);
  prepared_ = true;
  return {};
}

PlanPlaces PodAgentImpl::Places() const {
  std::string unique = incarnation_;
  for (char& c : unique) {
    if (c == '/') c = '.';
  }
  return {.plans = folders_.plans,
          .shared = SharesWork(job_.spec),
          .tmp = folders_.tmp,
          .unique = std::move(unique)};
}

Status PodAgentImpl::CannotRun(const Error& error) {
  if (!IsFinal(error)) return std::unexpected(error);
  PJ_ASSIGN(const std::optional<job::PlanFacts> facts, store_.LoadPlan());
  // With a plan others may be at work: what this pod does not find is its own trouble, for now.
  if (facts) return std::unexpected(error);
  policy::Verdict verdict = FailureOf(error);
  verdict.message = job::WithPlace(job_.spec, options_.config.objects, std::move(verdict.message));
  PJ_ERROR("{}: {}", verdict.reason, verdict.message);
  PJ_ASSIGN(result_, FailJob(EndOptions(), verdict));
  return {};
}

// True: there is a plan, and its inputs are here.
Result<bool> PodAgentImpl::EnsurePlan() {
  if (plan_) return true;
  Hold({.slots = Slots()});
  PJ_ASSIGN(std::optional<job::PlanFacts> facts, store_.LoadPlan());
  if (!facts && !MayPlan()) return false;
  if (!fetched_) {
    if (Status there = FetchInputs(job_, folders_, &resolved_); !there) {
      PJ_TRY(CannotRun(there.error()));
      return false;
    }
    fetched_ = true;
  }
  if (!facts) {
    if (Status made = MakePlan(); !made) {
      PJ_TRY(CannotRun(made.error()));
      return false;
    }
    PJ_ASSIGN(facts, store_.LoadPlan());  // ours, or that of who was first
  }
  if (!facts) return false;
  PJ_TRY(TakePlan(*facts));
  return true;
}

// Ordinal 0, and others once its Lease has run out on our own clock.
bool PodAgentImpl::MayPlan() {
  if (options_.config.ordinal == 0) return true;
  const StoreClient client(store_.api(), options_.config.objects);
  const Result<ledger::Reply> seen =
      client.Do({.op = ledger::Call::Op::kGetLease,
                 .name = options_.config.objects.Name(ledger::WorkerName(0))});
  using Outcome = ledger::Reply::Outcome;
  if (!seen || (seen->outcome != Outcome::kOk && seen->outcome != Outcome::kNotFound)) {
    planner_since_.reset();  // nothing is known
    return false;
  }
  const Nanos now = SystemClock().Monotonic();
  if (!planner_since_ || seen->version != planner_sign_) {
    planner_since_ = now;
    planner_sign_ = seen->version;
  }
  const ledger::Control control = Control().value_or(ledger::Control{.tick = Seconds(5)});
  return now - *planner_since_ >= kLeaseTicks * control.tick;
}

Status PodAgentImpl::MakePlan() {
  const int64_t began = SystemClock().Wall().time_since_epoch().count();
  std::vector<std::string> warnings;
  PJ_ASSIGN(plan::PlanRequest request,
            MakePlanRequest(job_.spec, resolved_.inputs, {.copied_from = resolved_.copied_from},
                            &warnings));
  for (const std::string& warning : warnings) PJ_WARN("{}", warning);
  request.sort_dir = folders_.tmp;
  PJ_ASSIGN(job::PlanFacts facts,
            BuildPodPlan(request, static_cast<uint64_t>(job_.spec.instance_count.value), Places()));
  facts.started_wall_ns = began;
  PJ_ASSIGN(const bool ours, store_.CreatePlan(facts));
  std::error_code ignored;
  if (!ours && !facts.file.empty()) {
    std::filesystem::remove(folders_.plans + "/" + facts.file, ignored);
  }
  PJ_INFO("planned {} mini-batches of {} items{}", facts.mini_batches, facts.items,
          ours ? "" : ", but somebody was first");
  return {};
}

Status PodAgentImpl::TakePlan(const job::PlanFacts& facts) {
  output::SharedVolume volume([this](Nanos most) { return WaitStopped(most); });
  PJ_ASSIGN(plan_, OpenPodPlan(facts, Places(), &volume));
  facts_ = facts;
  backoff_.Reset();
  PJ_INFO("{} mini-batches of {} items", facts.mini_batches, facts.items);
  return {};
}

}  // namespace pj::worker
