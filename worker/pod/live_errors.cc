#include "worker/pod/live_errors.h"

#include <deque>
#include <filesystem>
#include <set>
#include <utility>

#include "base/backoff.h"
#include "base/hash.h"
#include "base/log.h"
#include "ledger/record.h"
#include "worker/store.h"

namespace pj::worker {
namespace {

using ledger::Reply;
using output::AttemptRecord;

constexpr uint64_t kMostQueued = 16 << 20;
constexpr Nanos kBetweenShards = Millis(20);  // pods that start again together ask together

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
  const job::JobObjects& objects = options_.store.objects();
  const StoreClient client(options_.store.api(), objects);
  Backoff backoff(Millis(200), Seconds(30), Crc32c(options_.incarnation));
  std::deque<uint64_t> todo;
  for (uint64_t i = 0; i < options_.plan.roots; ++i) {
    todo.push_back(ledger::RootBegin(options_.plan.mini_batches, options_.plan.roots, i));
  }
  std::set<uint64_t> seen(todo.begin(), todo.end());
  while (!todo.empty()) {
    const std::string name = ledger::ShardName(objects.job, objects.identity, todo.front());
    const Result<Reply> reply = client.Do({.op = ledger::Call::Op::kGet, .name = name});
    const bool missing = reply && reply->outcome == Reply::Outcome::kNotFound;
    if (!reply || (reply->outcome != Reply::Outcome::kOk && !missing)) {
      if (WaitFor(stop, backoff.Next())) return false;
      continue;
    }
    backoff.Reset();
    todo.pop_front();
    if (!missing) {
      const Result<ledger::ShardRecord> shard = ledger::DecodeShard(reply->record);
      if (!shard || !TakeShard(*shard)) return false;
      for (const ledger::SplitTicket& ticket : shard->tickets) {
        if (seen.insert(ticket.mid).second) todo.push_back(ticket.mid);
      }
    }
    if (!todo.empty() && WaitFor(stop, kBetweenShards)) return false;
  }
  WriteQueue();
  return true;
}

}  // namespace pj::worker
