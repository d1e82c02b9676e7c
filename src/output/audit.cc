#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"
#include "output/file_ops.h"
#include "output/publish.h"
#include "output/row_copier.h"
#include "output/rows_reader.h"
#include "output/shard_rows.h"

namespace pj::output {
namespace {

class Auditor {
 public:
  Auditor(const PublishRequest& request, Audit* audit) : request_(request), audit_(audit) {}

  Status Shard(const ledger::ShardRecord& shard) {
    PJ_ASSIGN(const ShardRows rows, ShardRows::Load(request_, shard, &audit_->findings));
    PJ_TRY(CheckRows(rows));
    return CheckAttempts(shard, rows);
  }

 private:
  void Find(std::string sentence) { output::Find(&audit_->findings, std::move(sentence)); }

  Status CheckRows(const ShardRows& rows) {
    std::vector<RowsReader> readers;
    for (const ShardRows::Segment& segment : rows.segments()) {
      readers.emplace_back(FileOps::Real(), segment.fd.get(), segment.path, segment.rows_bytes);
    }
    for (const ShardRows::Place& place : rows.places()) {
      if (place.segment == ShardRows::kNone) continue;
      RowChecker checker(audit_->crc);
      PJ_TRY(Feed(place.entry, &readers[place.segment], &checker));
      audit_->crc = checker.crc();
      ++audit_->mini_batches;
      audit_->rows += place.entry.rows;
      audit_->bytes += place.entry.length;
      if (!checker.Matches()) {
        Find(fmt::format("the rows of mini-batch {} do not match their checksum ({})",
                         place.entry.mini_batch, rows.segments()[place.segment].path));
      }
    }
    return {};
  }

  static Status Feed(const IndexEntry& entry, RowsReader* reader, RowChecker* checker) {
    constexpr uint64_t kPart = RowsReader::kWindow - RowsReader::kLookBack;
    checker->Begin(entry);
    for (uint64_t done = 0; done < entry.length;) {
      const uint64_t n = std::min(kPart, entry.length - done);
      PJ_ASSIGN(const std::string_view bytes, reader->Read(entry.offset + done, n));
      checker->Feed(bytes);
      done += n;
    }
    return {};
  }

  Status CheckAttempts(const ledger::ShardRecord& shard, const ShardRows& rows) {
    std::vector<bool> ended(rows.places().size());
    for (const ledger::OutputMark& mark : shard.outputs) {
      const Status read = ReadAttempts(
          request_.segments_dir, mark,
          [&](const AttemptRecord& record) { CheckAttempt(record, shard, rows, &ended); });
      if (read) continue;
      if (read.error().code != Code::kCorrupt) return read;
      Find(fmt::format("{} ({})", read.error().message, read.error().where));
    }
    for (uint64_t i = 0; i < ended.size(); ++i) {
      if (rows.places()[i].segment == ShardRows::kNone || ended[i]) continue;
      Find(fmt::format("mini-batch {} is committed, but no record tells of its last attempt",
                       shard.lo + i));
    }
    return {};
  }

  void CheckAttempt(const AttemptRecord& record, const ledger::ShardRecord& shard,
                    const ShardRows& rows, std::vector<bool>* ended) {
    ++audit_->attempts;
    if (record.attempt > 1) ++audit_->retries;
    if (record.mini_batch < shard.lo || record.mini_batch >= shard.hi) {
      return Find(fmt::format("an attempt of mini-batch {} lies outside its shard [{}, {})",
                              record.mini_batch, shard.lo, shard.hi));
    }
    if (!record.terminal) return;
    audit_->items_ok += record.items_ok;
    audit_->items_failed += record.items_failed;
    const uint64_t i = record.mini_batch - shard.lo;
    const ShardRows::Place& place = rows.places()[i];
    if ((*ended)[i]) {
      Find(fmt::format("two attempts of mini-batch {} ended it", record.mini_batch));
    } else if (place.segment != ShardRows::kNone &&
               (place.entry.attempt != record.attempt || place.entry.rows != record.rows)) {
      Find(fmt::format(
          "mini-batch {}: the index has attempt {} with {} rows, its record attempt {} "
          "with {}",
          record.mini_batch, place.entry.attempt, place.entry.rows, record.attempt, record.rows));
    }
    (*ended)[i] = true;
  }

  const PublishRequest& request_;
  Audit* audit_;
};

}  // namespace

Result<Audit> AuditSegments(const PublishRequest& request) {
  Audit audit;
  CheckPartition(request, &audit.findings);
  if (!audit.findings.empty()) return audit;  // nothing that follows would mean anything
  audit.bytes = request.header.size();
  audit.crc = Crc32c(request.header);
  Auditor auditor(request, &audit);
  for (const ledger::ShardRecord& shard : request.shards) PJ_TRY(auditor.Shard(shard));
  return audit;
}

}  // namespace pj::output
