#include "output/shard_rows.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <utility>

#include "base/limits.h"
#include "output/segment_files.h"

namespace pj::output {

Status ShardRows::Add(const PublishRequest& request, const ledger::ShardRecord& shard,
                      const ledger::OutputMark& mark, std::vector<std::string>* findings) {
  const Status added = Read(request, shard, mark, findings);
  if (added || added.error().code != Code::kCorrupt) return added;
  Find(findings, fmt::format("{} ({})", added.error().message, added.error().where));
  return {};
}

Status ShardRows::Read(const PublishRequest& request, const ledger::ShardRecord& shard,
                       const ledger::OutputMark& mark, std::vector<std::string>* findings) {
  PJ_ASSIGN(const SegmentPaths paths, PathsOf(request.segments_dir, mark.segment));
  const auto number = static_cast<uint32_t>(segments_.size());
  segments_.push_back({paths.rows, UniqueFd(), mark.rows});
  PJ_TRY(ReadIndex(
      request.segments_dir, mark,
      [&](const IndexEntry& entry) { Put(shard, mark, entry, number, findings); }, request.files));
  PJ_ASSIGN(segments_.back().fd, OpenFile(paths.rows, O_RDONLY));
  return {};
}

void ShardRows::Put(const ledger::ShardRecord& shard, const ledger::OutputMark& mark,
                    const IndexEntry& entry, uint32_t segment, std::vector<std::string>* findings) {
  if (entry.mini_batch < shard.lo || entry.mini_batch >= shard.hi) {
    return Find(findings, fmt::format("mini-batch {} of segment {} lies outside its shard [{}, {})",
                                      entry.mini_batch, mark.segment, shard.lo, shard.hi));
  }
  Place& place = places_[entry.mini_batch - shard.lo];
  if (place.segment != kNone) {
    return Find(findings,
                fmt::format("mini-batch {} was committed twice: {} and {}", entry.mini_batch,
                            segments_[place.segment].path, segments_[segment].path));
  }
  if (!shard.IsDone(entry.mini_batch)) {
    return Find(findings, fmt::format("mini-batch {} has rows in segment {}, but the ledger says "
                                      "it is not done",
                                      entry.mini_batch, mark.segment));
  }
  place = {entry, segment};
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
