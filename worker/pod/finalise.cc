#include "worker/pod/finalise.h"

#include <utility>

#include "base/log.h"
#include "worker/pod/end.h"
#include "worker/pod/job.h"

namespace pj::worker {
namespace {

// Well within the Lease of who finalises.
constexpr Millis kPatience{2500};

}  // namespace

Finaliser::Finaliser(PodConfig config, PodFolders folders, kube::Api* api)
    : config_(std::move(config)), folders_(std::move(folders)), api_(api, {.limit = kPatience}) {}

Result<int> Finaliser::Run() {
  PJ_ASSIGN(const api::ParallelJob job, LoadPodManifest(folders_.manifest));
  const PodFolders folders = FoldersFor(job.spec, folders_);
  const job::RunStore store(&api_, config_.objects);
  const PodEndOptions options{
      .store = &store, .job = &job, .folders = &folders, .incarnation = NewIncarnation(config_)};
  EndTurn turn;
  turn.wait_stopped = [this](Nanos most) { return WaitStopped(most); };
  turn.trouble = [](const Error& error) { PJ_ERROR("{}", error.ToString()); };
  while (!WaitStopped(Nanos(0))) {
    if (const std::optional<job::StoredResult> result = EndTogether(options, turn)) {
      PJ_INFO("the job has ended: {}", result->exit_code == 0 ? "Complete" : "Failed");
      return 0;
    }
  }
  return job::kExitGone;
}

void Finaliser::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  api_.Stop();
  wake_.notify_all();
}

bool Finaliser::WaitStopped(Nanos most) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, most, [this] { return stopped_; });
}

}  // namespace pj::worker
