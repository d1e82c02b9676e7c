#include "cli/open_dir.h"

namespace pj::cli {

Result<OpenedDir> OpenDir(const std::string& path) {
  PJ_ASSIGN(JobDir dir, JobDir::At(path));
  PJ_ASSIGN(const bool has_state, dir.HasState());
  if (!has_state) {
    return Fail(Code::kInvalid, "no run of paralleljob lies here (state.db is missing)", dir.root(),
                "give the --output folder of `run`; `verify` also takes that of `fetch`, of a job "
                "that had ended");
  }
  dir.FindStep();
  OpenedDir opened{.dir = dir, .holder = DirLock::Holder(dir)};
  kube::MemoryApiOptions options;
  options.state_file = dir.StateDb();
  PJ_ASSIGN(opened.api, kube::MemoryApi::Open(options));
  PJ_ASSIGN(opened.job, FindJobName(opened.api.get(), dir.root()));
  opened.state = std::make_unique<RunState>(opened.api.get(), opened.job);
  PJ_ASSIGN(std::optional<RunIdentity> identity, opened.state->LoadJob());
  if (!identity) return Fail(Code::kInternal, "the job vanished from the state file", dir.root());
  PJ_ASSIGN(std::optional<PlanFacts> plan, opened.state->store().LoadPlan());
  if (plan) opened.plan = *plan;
  PJ_ASSIGN(opened.shards, opened.state->ListShards());
  PJ_ASSIGN(opened.result, opened.state->store().LoadResult());
  return opened;
}

}  // namespace pj::cli
