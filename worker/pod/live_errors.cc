#include "worker/pod/live_errors.h"

#include <filesystem>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "ledger/record.h"
#include "worker/pod/shard_walk.h"

namespace pj::worker {
namespace {

using output::AttemptRecord;

constexpr uint64_t kMostQueued = 16 << 20;

uint64_t SizeOf(const AttemptRecord& record) {
  return sizeof record + record.message.size() + record.traceback.size() + record.detail.size();
}

// "<holder>-<incarnation>" of a segment's name, as SegmentStem makes it.
std::string_view WriterOf(std::string_view segment) {
  for (int dashes = 0; dashes < 2; ++dashes) {
    const size_t dash = segment.find('-');
    if (dash == std::string_view::npos) return {};
    segment.remove_prefix(dash + 1);
  }
  return segment;
}

std::string Stem(const LiveErrorsOptions& options, const std::string& incarnation) {
  return output::SegmentStem(0, 0, options.holder, incarnation);
}

}  // namespace

LiveErrors::LiveErrors(LiveErrorsOptions options)
    : options_(std::move(options)),
      files_(options_.logs_dir + "/user/error", report::ErrorFiles::How::kGrowing),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

LiveErrors::~LiveErrors() = default;

void LiveErrors::Add(const AttemptRecord& record) {
  if (record.status == ledger::AttemptStatus::kRunDone) return;
  const std::lock_guard lock(mutex_);
  if (queued_bytes_ >= kMostQueued) {
    ++left_out_;
    return;
  }
  queued_bytes_ += SizeOf(record);
  queue_.push_back(record);
  wake_.notify_all();
}

void LiveErrors::Run(const std::stop_token& stop) {
  if (AnyEarlier() && !TakeEarlier(stop)) return;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [this] { return !queue_.empty(); });
    }
    WriteQueue();
    if (stop.stop_requested()) return;
    WaitFor(stop, options_.interval);
  }
}

// True: told to stop.
bool LiveErrors::WaitFor(const std::stop_token& stop, Nanos time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [] { return false; });
  return stop.stop_requested();
}

void LiveErrors::WriteQueue() {
  std::vector<AttemptRecord> records;
  uint64_t left_out = 0;
  {
    const std::lock_guard lock(mutex_);
    records.swap(queue_);
    queued_bytes_ = 0;
    left_out = std::exchange(left_out_, 0);
  }
  for (const AttemptRecord& record : records) files_.Add(record);
  if (left_out > 0) {
    PJ_WARN("{} failed attempts came faster than {} takes them: the reports at the end have them",
            left_out, options_.logs_dir);
  }
  if (Status written = files_.Flush(); !written && !std::exchange(told_, true)) {
    PJ_WARN("error files: {}", written.error().ToString());
  }
}

// --- What earlier incarnations committed ---------------------------------------------------------

bool LiveErrors::IsEarlier(const std::string& segment) const {
  const std::string_view writer = WriterOf(segment);
  return writer.starts_with(options_.holder + "-") &&
         writer != WriterOf(Stem(options_, options_.incarnation));
}

bool LiveErrors::AnyEarlier() const {
  std::error_code error;
  for (std::filesystem::directory_iterator at(options_.segments_dir, error), end;
       !error && at != end; at.increment(error)) {
    if (IsEarlier(at->path().stem().string())) return true;
  }
  return false;
}

bool LiveErrors::TakeShard(const ledger::ShardRecord& shard) {
  if (shard.sealed) return false;  // the whole files come, or are there
  for (const ledger::OutputMark& mark : shard.outputs) {
    if (!IsEarlier(mark.segment)) continue;
    const auto add = [this](const AttemptRecord& record) { files_.Add(record); };
    if (Status read = output::ReadAttempts(options_.segments_dir, mark, add); !read) {
      PJ_WARN("error files lack a part: {}", read.error().ToString());
    }
  }
  return true;
}

bool LiveErrors::TakeEarlier(const std::stop_token& stop) {
  const bool all =
      WalkShards({.store = &options_.store,
                  .plan = &options_.plan,
                  .wait_stopped = [this, &stop](Nanos time) { return WaitFor(stop, time); },
                  .seed = Crc32c(options_.incarnation)},
                 [this](const ledger::ShardRecord& shard) { return TakeShard(shard); });
  if (!all) return false;
  WriteQueue();
  return true;
}

}  // namespace pj::worker
