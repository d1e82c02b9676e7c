#include "output/shard_rows.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <utility>

#include "base/limits.h"
#include "output/segment_files.h"

namespace pj::output {

Status ShardRows::Add(const PublishRequest& request, const ledger::ShardRecord& shard,
                      const ledger::OutputMark& mark, std::vector<std::string>* findings) {
  Result<std::vector<IndexEntry>> entries = ReadIndex(request.segments_dir, mark, request.files);
  if (!entries) {
    if (entries.error().code != Code::kCorrupt) return std::unexpected(entries.error());
    Find(findings, fmt::format("{} ({})", entries.error().message, entries.error().where));
    return {};
  }
  PJ_ASSIGN(const SegmentPaths paths, PathsOf(request.segments_dir, mark.segment));
  PJ_ASSIGN(UniqueFd fd, OpenFile(paths.rows, O_RDONLY));
  const auto number = static_cast<uint32_t>(segments_.size());
  segments_.push_back({paths.rows, std::move(fd), mark.rows});
  for (const IndexEntry& entry : *entries) {
    if (entry.mini_batch < shard.lo || entry.mini_batch >= shard.hi) {
      Find(findings, fmt::format("mini-batch {} of segment {} lies outside its shard [{}, {})",
                                 entry.mini_batch, mark.segment, shard.lo, shard.hi));
      continue;
    }
    Place& place = places_[entry.mini_batch - shard.lo];
    if (place.segment != kNone) {
      Find(findings, fmt::format("mini-batch {} was committed twice: {} and {}", entry.mini_batch,
                                 segments_[place.segment].path, paths.rows));
    } else if (!shard.IsDone(entry.mini_batch)) {
      Find(findings, fmt::format("mini-batch {} has rows in segment {}, but the ledger says it is "
                                 "not done",
                                 entry.mini_batch, mark.segment));
    } else {
      place = {entry, number};
    }
  }
  return {};
}

Result<ShardRows> ShardRows::Load(const PublishRequest& request, const ledger::ShardRecord& shard,
                                  std::vector<std::string>* findings) {
  ShardRows rows;
  rows.places_.resize(shard.hi - shard.lo);
  for (const ledger::OutputMark& mark : shard.outputs) {
    PJ_TRY(rows.Add(request, shard, mark, findings));
  }
  for (uint64_t i = 0; i < rows.places_.size(); ++i) {
    if (rows.places_[i].segment != kNone) continue;
    if (shard.IsDone(shard.lo + i)) {
      Find(findings,
           fmt::format("mini-batch {} is done in the ledger, but no segment has its entry",
                       shard.lo + i));
    } else if (request.complete) {
      Find(findings, fmt::format("mini-batch {} is not done", shard.lo + i));
    }
  }
  return rows;
}

void CheckPartition(const PublishRequest& request, std::vector<std::string>* findings) {
  uint64_t next = 0;
  for (const ledger::ShardRecord& shard : request.shards) {
    const bool misplaced = request.ended ? shard.lo != next : shard.lo < next;
    if (misplaced || shard.hi <= shard.lo || shard.hi - shard.lo > limits::kShardMiniBatches) {
      return Find(findings, fmt::format("a shard covers [{}, {}) where mini-batch {} comes next",
                                        shard.lo, shard.hi, next));
    }
    if (request.ended && !shard.sealed)
      Find(findings, fmt::format("shard {} is not sealed", shard.lo));
    next = shard.hi;
  }
  if (request.ended ? next != request.mini_batches : next > request.mini_batches) {
    Find(findings, fmt::format("the shards end at mini-batch {}, but there are {}", next,
                               request.mini_batches));
  }
}

void Find(std::vector<std::string>* findings, std::string sentence) {
  if (findings->size() < limits::kFindings) findings->push_back(std::move(sentence));
}

}  // namespace pj::output
