#include "worker/segment_book.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "report/error_text.h"
#include "report/report.h"
#include "worker/process_logs.h"

namespace pj::worker {
namespace {

// Cut at the beginning of a character.
std::string_view Clip(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

uint64_t ItemsOk(const EndedAttempt& attempt) {
  if (attempt.status == ledger::AttemptStatus::kRunDone) return attempt.items;
  if (attempt.status != ledger::AttemptStatus::kRunShort) return 0;
  return std::min(attempt.items_returned, attempt.items);
}

bool LeavesTraceback(const EndedAttempt& attempt) {
  const ledger::AttemptStatus status = attempt.status;
  return !attempt.traceback.empty() || status == ledger::AttemptStatus::kRunException ||
         status == ledger::AttemptStatus::kLoadException ||
         status == ledger::AttemptStatus::kRunShort;
}

}  // namespace

SegmentBook::SegmentBook(SegmentBookOptions options, IoThread* io)
    : options_(std::move(options)), io_(io) {
  record_.node = options_.node;
  record_.address = options_.address;
}

SegmentBook::Segment* SegmentBook::Find(uint64_t lo) {
  for (Segment& segment : segments_) {
    if (segment.lo == lo) return &segment;
  }
  return nullptr;
}

Status SegmentBook::Open(const ledger::OpenSegment& open) {
  const std::string stem =
      output::SegmentStem(open.lo, open.epoch, options_.holder, options_.incarnation);
  PJ_ASSIGN(auto writer, output::SegmentWriter::Open(options_.dir, stem, open.committed));
  Close(open.lo);
  segments_.push_back({open.lo, open.epoch, std::move(writer)});
  reported_[stem] = open.committed ? open.committed->attempts : 0;
  return {};
}

void SegmentBook::Close(uint64_t lo) {
  std::erase_if(segments_, [lo](const Segment& segment) { return segment.lo == lo; });
}

void SegmentBook::NameLog(const EndedAttempt& attempt) {
  const auto number = static_cast<uint32_t>(attempt.process);
  const bool traceback = LeavesTraceback(attempt);
  if (traceback) {
    record_.log = "user/error/" + options_.node + "/" + ProcessName(attempt.process) + ".txt";
  } else if (record_.log.empty() || record_.process != number ||
             record_.log.starts_with("user/error/")) {
    record_.log = StderrLog(options_.node, attempt.process);
  }
  record_.process = number;
}

ledger::AttemptResult SegmentBook::Judge(const EndedAttempt& attempt) {
  NameLog(attempt);
  record_.mini_batch = attempt.assignment->mini_batch;
  record_.attempt = attempt.assignment->attempt;
  record_.status = attempt.status;
  record_.start_wall_ns = attempt.start_wall_ns;
  record_.elapsed_ns = attempt.elapsed_ns;
  record_.process_ns = attempt.cpu_ns;
  record_.run_ns = attempt.run_ns;
  record_.items_total = attempt.items;
  record_.items_ok = ItemsOk(attempt);
  record_.items_failed = attempt.items - record_.items_ok;
  record_.rows = attempt.rows;
  record_.category = attempt.category;
  record_.message = Clip(attempt.message, limits::kMessageBytes);
  record_.traceback = Clip(attempt.traceback, limits::kTracebackBytes);
  record_.detail = attempt.detail;
  ledger::AttemptResult result;
  result.mini_batch = record_.mini_batch;
  result.attempt = record_.attempt;
  result.lo = attempt.assignment->lo;
  result.epoch = attempt.assignment->epoch;
  result.status = attempt.status;
  result.items_total = attempt.items;
  result.items_ok = record_.items_ok;
  result.busy = Nanos(std::max<int64_t>(0, attempt.run_ns));
  if (attempt.status != ledger::AttemptStatus::kRunDone) {
    result.error_text = report::ErrorText(record_);
    result.error_hash = report::ErrorHash(record_.category, record_.message);
    result.error_log = record_.log;
  }
  return result;
}

void SegmentBook::Append(const EndedAttempt& attempt, ledger::Verdict verdict) {
  Segment* segment = Find(attempt.assignment->lo);
  if (segment == nullptr || segment->epoch != attempt.assignment->epoch) return;
  record_.terminal = verdict != ledger::Verdict::kRetry;
  const bool rows =
      verdict == ledger::Verdict::kSucceeded ||
      (verdict == ledger::Verdict::kFailed && attempt.status == ledger::AttemptStatus::kRunShort);
  if (!rows) record_.rows = 0;
  if (record_.terminal) {
    segment->writer->AppendRows(record_.mini_batch, record_.attempt,
                                rows ? attempt.row_bytes : std::string_view(), record_.rows);
  }
  segment->writer->AppendAttempt(record_);
}

void SegmentBook::Sync(uint64_t lo) {
  Segment* segment = Find(lo);
  if (segment == nullptr) return;
  io_->PostSync(lo, segment->epoch, segment->writer, segment->writer->TakePending());
}

void SegmentBook::OnCommitted(const std::string& shard_record) {
  if (!options_.on_committed) return;
  const Result<ledger::ShardRecord> shard = ledger::DecodeShard(shard_record);
  if (!shard) return;
  for (const ledger::OutputMark& mark : shard->outputs) {
    const auto known = reported_.find(mark.segment);
    if (known == reported_.end() || known->second >= mark.attempts) continue;
    const uint64_t from = std::exchange(known->second, mark.attempts);
    io_->PostTask([dir = options_.dir, mark, from, each = options_.on_committed] {
      if (Status read = output::ReadAttempts(dir, mark, each, from); !read) {
        PJ_WARN("committed attempts cannot be read again: {}", read.error().ToString());
      }
    });
  }
}

size_t SegmentBook::PendingBytes() const {
  size_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.writer->PendingBytes();
  return bytes;
}

}  // namespace pj::worker
