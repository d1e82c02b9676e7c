#include "worker/pod/live_overview.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "worker/finish.h"
#include "worker/pod/shard_walk.h"

namespace pj::worker {
namespace {

constexpr Nanos kOfAShard = Millis(50);
constexpr uint64_t kGivenUp = UINT64_MAX;

}  // namespace

LiveOverview::LiveOverview(LiveOverviewOptions options)
    : options_(std::move(options)),
      reports_(options_.logs_dir, options_.interval),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void LiveOverview::Run(const std::stop_token& stop) {
  Shards shards;
  while (Walk(stop, &shards)) {
    Write(shards);
    const Nanos pause = kOfAShard * static_cast<int64_t>(shards.size());
    if (WaitStopped(stop, std::max(options_.interval, pause))) return;
  }
}

bool LiveOverview::WaitStopped(const std::stop_token& stop, Nanos time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

bool LiveOverview::Walk(const std::stop_token& stop, Shards* shards) {
  shards->clear();
  const ShardWalkOptions walk{
      .store = &options_.store,
      .plan = &options_.plan,
      .wait_stopped = [this, &stop](Nanos time) { return WaitStopped(stop, time); },
      .seed = options_.seed};
  const bool all = WalkShards(walk, [shards](const ledger::ShardRecord& shard) {
    shards->push_back(shard);
    return !shard.sealed;
  });
  if (!all) return false;
  // Whoever ends the job seals its first shard first, and publishes before it writes reports: later
  // than what we write now.
  bool sealed = false;
  WalkShards(walk, [&sealed](const ledger::ShardRecord& shard) {
    sealed = shard.sealed;
    return false;
  });
  return !sealed && !stop.stop_requested();
}

void LiveOverview::Write(const Shards& shards) {
  if (!csv_) {
    Result<std::unique_ptr<report::ProcessedCsv>> made =
        report::ProcessedCsv::Create(report::ProcessedCsvPath(options_.logs_dir));
    if (made) csv_ = std::move(*made);
  }
  for (const ledger::ShardRecord& shard : shards) {
    for (const ledger::OutputMark& mark : shard.outputs) TakeAttempts(mark);
  }
  if (csv_) csv_->Flush();
  report::LiveState state{.summary = SummaryOf(options_.store.objects().job, options_.plan, shards),
                          .nodes = rollup_.Nodes()};
  state.summary.state = "Running";
  state.summary.duration_seconds = SecondsSince(options_.plan.started_wall_ns);
  reports_.Write(state);
}

// A file that this machine does not see whole yet is read in a later turn.
void LiveOverview::TakeAttempts(const ledger::OutputMark& mark) {
  uint64_t& from = read_[mark.segment];
  if (from >= mark.attempts) return;
  bool any = false;
  const auto take = [this, &any](const output::AttemptRecord& record) {
    any = true;
    rollup_.Add(record);
    if (csv_) csv_->Add(record);
  };
  const Status read = output::ReadAttempts(options_.segments_dir, mark, take, from);
  if (read) {
    from = mark.attempts;
  } else if (any) {  // the rest is damaged; what was taken is not taken twice
    PJ_WARN("the overview lacks a part until the end: {}", read.error().ToString());
    from = kGivenUp;
  }
}

}  // namespace pj::worker
