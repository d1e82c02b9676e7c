// Publish: the sealed ledger's committed rows, in mini-batch order, become one file by one rename.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/record.h"

namespace pj::output {

class FileOps;

struct PublishRequest {
  std::string segments_dir;
  std::vector<ledger::ShardRecord> shards;  // sealed, ordered, a partition of [0, M)
  uint64_t mini_batches = 0;
  bool ended = true;         // false, for an audit only: shards may be unsealed, and missing
  bool complete = true;      // every mini-batch must have exactly one entry; else a partial file
  std::string header;        // bytes put first (csv header line with "\n"); may be empty
  std::string destination;   // final path; its folder exists
  FileOps* files = nullptr;  // null: the real ones
};

struct Published {
  std::string path;  // empty: a partial file without any row, which is not made
  uint64_t bytes = 0;
  uint64_t rows = 0;
  uint32_t crc = 0;
};

// Checks free space first (kNoSpace names file system, free and needed bytes), copies contiguous
// runs with copy_file_range, reads the destination back against length and CRC, fsyncs, renames
// once: on any error the destination is as it was. A missing or double entry, or an entry out of
// its shard's range, is kCorrupt ("LedgerCorrupt: …"). One shard's entries in memory at a time.
Result<Published> Publish(const PublishRequest& request);

// Recounts without writing: what `verify` compares with the published file and the ledger's
// counters. Damage is a finding; only storage that does not answer is an error.
struct Audit {
  uint64_t mini_batches = 0;  // with exactly one committed terminal entry
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint32_t crc = 0;                   // of header + rows in order
  uint64_t attempts = 0;              // attempt records
  uint64_t retries = 0;               // of them, those after the first of their mini-batch
  uint64_t items_ok = 0;              // of terminal attempts
  uint64_t items_failed = 0;          // of terminal attempts
  std::vector<std::string> findings;  // every difference, one sentence each; ≤ limits::kFindings
};
Result<Audit> AuditSegments(const PublishRequest& request);

}  // namespace pj::output
