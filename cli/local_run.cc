// LocalRun, first half: the folder, the store, the plan. Agents and the end: local_agents.cc.
#include "cli/local_run.h"

#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "base/fault_point.h"
#include "base/hash.h"
#include "cli/console.h"
#include "cli/environment.h"
#include "cli/run_identity.h"
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
  const char* base = ::getenv("TMPDIR");
  std::string pattern = std::string(base == nullptr ? "/tmp" : base) + "/paralleljob-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    return FailWrite(errno, "cannot make a scratch folder", pattern, 0);
  }
  PJ_TRY(WriteFileAtomic(note, pattern));
  return pattern;
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
  PJ_TRY(dir_.Prepare());
  PJ_ASSIGN(guardian_, worker::Guardian::Start());
  PJ_TRY(OpenState());
  PJ_ASSIGN(std::optional<RunIdentity> known, state_->LoadJob());
  if (known) {
    PJ_ASSIGN(std::optional<StoredResult> result, state_->store().LoadResult());
    if (result) {
      RunOutcome outcome;
      outcome.result = std::move(result);
      outcome.already_finished = true;
      return outcome;
    }
  }
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

Status LocalRun::CheckUnchanged(const RunIdentity& now, const RunIdentity& before) const {
  const std::string way_out = "--fresh forgets the earlier run and starts again";
  const std::string where = dir_.root();
  if (now.manifest != before.manifest) {
    return Fail(
        Code::kInvalid,
        "the job changed since this run began: " + FirstDifference(before.manifest, now.manifest),
        where, way_out);
  }
  if (now.code_hash != before.code_hash) {
    return Fail(Code::kInvalid, "the code changed since this run began: " + resolved_.code_dir,
                where, way_out);
  }
  if (now.inputs_hash != before.inputs_hash) {
    return Fail(Code::kInvalid, "the list of input files changed since this run began", where,
                way_out);
  }
  return {};
}

Result<plan::PlanRequest> LocalRun::MakeRequest() const {
  std::vector<std::string> warnings;
  PJ_ASSIGN(plan::PlanRequest request,
            worker::MakePlanRequest(
                job_.job.spec, resolved_.inputs,
                {.azure = job_.from_azure, .copied_from = resolved_.copied_from}, &warnings));
  for (const std::string& warning : warnings) PrintWarning(warning);
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
  RunIdentity now;
  now.manifest = ImmutableManifest(job_.job);
  PJ_ASSIGN(now.code_hash, HashCode(resolved_.code_dir, dir_.root()));
  PJ_ASSIGN(std::optional<RunIdentity> before, state_->LoadJob());
  PJ_ASSIGN(plan::PlanRequest request, MakeRequest());
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
  done_at_start_ = policy::Sum(shards, facts_.mini_batches).done;
  PJ_ASSIGN(std::optional<ledger::Control> control, state_->store().LoadControl());
  bool sealed = false;
  for (const ledger::ShardRecord& shard : shards) sealed = sealed || shard.sealed;
  if (sealed || (control && control->mode == ledger::Control::Mode::kAbort)) return true;
  ledger::Control run;
  run.tick = Millis(options_.tick_ms);
  PJ_TRY(state_->store().WriteControl(run));
  if (done_at_start_ > 0 && !options_.quiet) {
    PrintNote(fmt::format("resumed at {} of {} mini-batches", done_at_start_, facts_.mini_batches));
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
