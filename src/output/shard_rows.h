// ShardRows: where in its segments the committed rows of one sealed shard's mini-batches lie,
// checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "ledger/record.h"
#include "output/publish.h"
#include "output/segment.h"

namespace pj::output {

// Owns the open rows files. Not thread-safe. 48 bytes a mini-batch of the shard while it lives.
class ShardRows {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Place {
    IndexEntry entry;
    uint32_t segment = kNone;  // index in segments(), kNone where there is no entry
  };
  struct Segment {
    std::string path;
    UniqueFd fd;
    uint64_t rows_bytes = 0;
  };

  // Reads all indexes. Damage goes to `findings`, one sentence each; only storage that does not
  // answer is an error.
  static Result<ShardRows> Load(const PublishRequest& request, const ledger::ShardRecord& shard,
                                std::vector<std::string>* findings);

  // One a mini-batch, from shard.lo.
  const std::vector<Place>& places() const { return places_; }
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  Status Add(const PublishRequest& request, const ledger::ShardRecord& shard,
             const ledger::OutputMark& mark, std::vector<std::string>* findings);
  Status Read(const PublishRequest& request, const ledger::ShardRecord& shard,
              const ledger::OutputMark& mark, std::vector<std::string>* findings);
  void Put(const ledger::ShardRecord& shard, const ledger::OutputMark& mark,
           const IndexEntry& entry, uint32_t segment, std::vector<std::string>* findings);

  std::vector<Place> places_;
  std::vector<Segment> segments_;
};

// The shards are sealed and a partition of [0, mini_batches), none too long; else the findings say.
// Of a run that has not ended: they do not overlap.
void CheckPartition(const PublishRequest& request, std::vector<std::string>* findings);

// At most limits::kFindings sentences are kept.
void Find(std::vector<std::string>* findings, std::string sentence);

}  // namespace pj::output
