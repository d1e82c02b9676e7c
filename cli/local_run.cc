// LocalRun, first half: the folder, the store, the plan. Agents and the end: local_agents.cc.
#include "cli/local_run.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "base/fault_point.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/words.h"
#include "cli/console.h"
#include "cli/environment.h"
#include "cli/run_identity.h"
#include "cli/scratch.h"
#include "worker/planning.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr Nanos kOverviewInterval = Seconds(5);

std::string FreshIncarnation() {
  unsigned char raw[8];
  if (::getentropy(raw, sizeof raw) != 0) return fmt::format("{:016x}", ::getpid());
  std::string text;
  for (const unsigned char byte : raw) text += fmt::format("{:02x}", byte);
  return text;
}

// The scratch folder of a killed run, noted in its DIR, goes before a new one is made.
Result<std::string> MakeScratch(const JobDir& dir) {
  const std::string note = dir.Private() + "/scratch";
  if (Result<std::string> earlier = ReadFile(note, 4096);
      earlier && fs::path(*earlier).filename().string().starts_with("paralleljob-")) {
    std::error_code ignored;
    fs::remove_all(*earlier, ignored);
  }
  PJ_ASSIGN(std::string made, MakeScratchFolder("paralleljob-"));
  PJ_TRY(WriteFileAtomic(note, made));
  return made;
}

}  // namespace

LocalRun::LocalRun(const RunOptions& options, api::LoadedJob job, JobDir dir)
    : options_(options),
      job_(std::move(job)),
      dir_(std::move(dir)),
      incarnation_(FreshIncarnation()) {}

LocalRun::~LocalRun() {
  controller_.reset();
  agents_.clear();
  guardian_.reset();  // ends every process below it before its working folders go
  if (!scratch_.empty()) {
    std::error_code ignored;
    fs::remove_all(scratch_, ignored);
  }
}

Result<RunOutcome> LocalRun::Execute() {
  PJ_TRY(CheckOutputFolder(job_.job, dir_));
  PJ_ASSIGN(DirLock lock, DirLock::Take(dir_));
  lock_.emplace(std::move(lock));
  if (options_.fresh) PJ_TRY(dir_.RemoveOurs());
  PJ_TRY(dir_.CheckOurs());
  PJ_ASSIGN(guardian_, worker::Guardian::Start());
  PJ_TRY(OpenState());
  PJ_TRY(CheckSameJob());
  PJ_ASSIGN(std::optional<RunIdentity> known, state_->LoadJob());
  if (known) {
    PJ_TRY(CheckSameStep());
    PJ_ASSIGN(std::optional<StoredResult> result, state_->store().LoadResult());
    if (result) return Finished(*known, std::move(*result));
  }
  PJ_TRY(dir_.MakeFolders());  // not before: nothing changes in a folder whose run has ended
  if (!known) PJ_TRY(dir_.RemoveInputs());
  PJ_ASSIGN(resolved_, ResolveJob(job_, dir_));
  PJ_ASSIGN(runtime_dir_, FindRuntimeDir());
  PJ_ASSIGN(scratch_, MakeScratch(dir_));
  PJ_ASSIGN(PythonEnvironment environment,
            PrepareEnvironment(job_.job.spec, options_.env, scratch_));
  for (const std::string& note : environment.notes) PrintNote(note);
  for (const std::string& warning : environment.warnings) PrintWarning(warning);
  python_ = environment.python;
  env_ = environment.env;
  slots_ = SlotsPerInstance(job_.job.spec);
  PJ_TRY(PreparePlan());
  SetLastWords();
  PJ_ASSIGN(bool finish_only, ReadyToFinish());
  if (!finish_only) signals_.emplace();  // before any thread: all inherit the mask
  PJ_TRY(PrepareReports());
  if (finish_only) return Conclude();
  PJ_TRY(MakeAgents());
  RunAgents();
  return Conclude();
}

Status LocalRun::OpenState() {
  kube::MemoryApiOptions options;
  options.state_file = dir_.StateDb();
  PJ_ASSIGN(api_, kube::MemoryApi::Open(options));
  state_ = std::make_unique<RunState>(api_.get(), job_.job.name);
  return {};
}

// A folder holds one job. One of another name would write its results over the first one's.
Status LocalRun::CheckSameJob() {
  const Result<std::string> held = FindJobName(api_.get(), dir_.root());
  if (!held && held.error().code != Code::kNotFound) return std::unexpected(held.error());
  if (!held || *held == job_.job.name) return {};
  return Fail(Code::kInvalid,
              fmt::format("the folder holds a run of the job {}, not of {}", *held, job_.job.name),
              dir_.root(), "choose another --output; --fresh forgets the earlier run");
}

// What may lie in the code folder and is none: this run's results, and the job file, which is
// compared setting by setting.
std::vector<std::string> LocalRun::NoCode() const {
  std::vector<std::string> out = options_.file.files;
  out.push_back(dir_.root());
  return out;
}

// A step's outputs and logs lie in a folder of its name.
Status LocalRun::CheckSameStep() const {
  const std::string before = dir_.StepThere();
  if (job_.step.empty() || before.empty() || before == job_.step) return {};
  return Fail(Code::kInvalid,
              fmt::format("the job changed since this folder's run began: its step was {}, is {}",
                          before, job_.step),
              dir_.root(), "--fresh forgets that run and starts again; another --output keeps it");
}

Status LocalRun::CheckUnchanged(const RunIdentity& now, const RunIdentity& before) const {
  const bool ended = !ended_.empty();
  const std::string since = ended ? fmt::format("since the run that has ended here ({})", ended_)
                                  : "since this run began";
  const std::string way_out = ended ? "--fresh forgets that run and starts again; another --output "
                                      "keeps it"
                                    : "--fresh forgets the earlier run and starts again";
  const std::string where = dir_.root();
  if (const std::string what = JobDifference(before, now, ended_ == "Failed"); !what.empty()) {
    return Fail(Code::kInvalid, fmt::format("the job changed {}: {}", since, what), where, way_out);
  }
  if (now.code_hash != before.code_hash) {
    const std::string file = NewestSince(resolved_.code_dir, NoCode(), state_->created_wall_ns());
    return Fail(Code::kInvalid,
                file.empty() ? fmt::format("the code changed {}: {}", since, resolved_.code_dir)
                             : fmt::format("the code in {} changed {}; the newest file there is {}",
                                           resolved_.code_dir, since, file),
                where, "put it back as it was, and the run goes on; " + way_out);
  }
  if (now.inputs_hash != before.inputs_hash) {
    return Fail(Code::kInvalid, fmt::format("the list of input files changed {}", since), where,
                way_out);
  }
  return {};
}

// Without the hashes of code and inputs.
RunIdentity LocalRun::DeclaredIdentity() const {
  return {.manifest = ImmutableManifest(job_.job),
          .deadline = DeadlineText(job_.job),
          .environment = options_.env};
}

// The result once more, if it still is this job's. Nothing is written.
Result<RunOutcome> LocalRun::Finished(const RunIdentity& before, StoredResult result) {
  const Result<Json> summary = ParseJson(result.summary_json, "result");
  ended_ = summary ? summary->value("state", "Failed") : "Failed";
  RunIdentity now = DeclaredIdentity();
  // Before the paths are looked up: a mistyped input is a changed job first.
  if (!JobDifference(before, now, ended_ == "Failed").empty()) {
    return std::unexpected(CheckUnchanged(now, before).error());
  }
  PJ_TRY(ResolveSources(job_, dir_, &resolved_));
  PJ_ASSIGN(now.code_hash, HashCode(resolved_.code_dir, NoCode()));
  std::vector<std::string> ignored;  // said when the plan was made
  PJ_ASSIGN(const plan::PlanRequest request, MakeRequest(&ignored));
  PJ_ASSIGN(now.inputs_hash, plan::HashInputPaths(request));
  PJ_TRY(CheckUnchanged(now, before));
  RunOutcome outcome;
  outcome.result = std::move(result);
  outcome.already_finished = true;
  return outcome;
}

Result<plan::PlanRequest> LocalRun::MakeRequest(std::vector<std::string>* warnings) const {
  PJ_ASSIGN(plan::PlanRequest request,
            worker::MakePlanRequest(
                job_.job.spec, resolved_.inputs,
                {.azure = job_.from_azure, .copied_from = resolved_.copied_from}, warnings));
  for (plan::SourceSpec& source : request.sources) source.exclude.push_back(dir_.root());
  request.sort_dir = dir_.Private();
  return request;
}

Status LocalRun::OpenKnownPlan(const PlanFacts& facts) {
  PJ_ASSIGN(plan_, plan::OpenPlan(dir_.PlanFile()));
  if (plan_->hash() != facts.hash) {
    return Fail(Code::kCorrupt, "LedgerCorrupt: the plan is not the one that this run began with",
                dir_.PlanFile(), "--fresh starts again");
  }
  facts_ = facts;
  return {};
}

Status LocalRun::PreparePlan() {
  RunIdentity now = DeclaredIdentity();
  PJ_ASSIGN(now.code_hash, HashCode(resolved_.code_dir, NoCode()));
  PJ_ASSIGN(std::optional<RunIdentity> before, state_->LoadJob());
  std::vector<std::string> warnings;
  PJ_ASSIGN(plan::PlanRequest request, MakeRequest(&warnings));
  for (const std::string& warning : warnings) PrintWarning(warning);
  std::optional<PlanFacts> facts;
  if (before) {
    PJ_ASSIGN(now.inputs_hash, plan::HashInputPaths(request));
    PJ_TRY(CheckUnchanged(now, *before));
    PJ_TRY(state_->UpdateSpec(job_.job));
    PJ_ASSIGN(facts, state_->store().LoadPlan());
  }
  if (facts) return OpenKnownPlan(*facts);
  PJ_ASSIGN(plan_, plan::BuildPlan(request, dir_.PlanFile()));
  now.inputs_hash = plan_->paths_hash();
  if (!before) PJ_TRY(state_->CreateJob(job_.job, now));
  PJ_FAULT("after_job");
  const auto instances = static_cast<uint64_t>(job_.job.spec.instance_count.value);
  facts_ = PlanFacts{.hash = plan_->hash(),
                     .mini_batches = plan_->size(),
                     .roots = ledger::RootCount(plan_->size(), instances),
                     .items = plan_->total_items()};
  PJ_TRY(state_->store().CreatePlan(facts_));
  PJ_FAULT("after_plan");
  return {};
}

// True when an earlier start already sealed shards or decided to abort: only the end is left to do.
Result<bool> LocalRun::ReadyToFinish() {
  PJ_ASSIGN(std::vector<ledger::ShardRecord> shards, state_->ListShards());
  const policy::Sums sums = policy::Sum(shards, facts_.mini_batches);
  at_start_ = {.done = sums.done,
               .total = sums.total,
               .failed = sums.counters.mini_batches_failed,
               .retries = sums.counters.retries};
  PJ_ASSIGN(std::optional<ledger::Control> control, state_->store().LoadControl());
  bool sealed = false;
  for (const ledger::ShardRecord& shard : shards) sealed = sealed || shard.sealed;
  if (sealed || (control && control->mode == ledger::Control::Mode::kAbort)) return true;
  ledger::Control run;
  run.tick = Millis(options_.tick_ms);
  PJ_TRY(state_->store().WriteControl(run));
  if (at_start_.done > 0 && !options_.quiet) {
    PrintNote(fmt::format("resumed at {} of {}", at_start_.done,
                          Count(facts_.mini_batches, "mini-batch")));
  }
  return false;
}

Status LocalRun::PrepareReports() {
  const std::string folder = dir_.Logs() + "/sys/job_report";
  PJ_TRY(MakeDirs(folder));
  PJ_ASSIGN(processed_, report::ProcessedCsv::Create(folder + "/processed_mini-batches.csv"));
  PJ_ASSIGN(std::vector<ledger::ShardRecord> shards, state_->ListShards());
  live_ = std::make_unique<report::LiveReports>(dir_.Logs(), kOverviewInterval);
  PJ_TRY(AttemptsOf(shards, dir_.Segments())([this](const output::AttemptRecord& record) {
    processed_->Add(record);
    live_->Add(record);
    earlier_.Add(record);
  }));
  processed_->Flush();
  return {};
}

}  // namespace pj::cli
