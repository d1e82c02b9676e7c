// Publish: the sealed ledger's committed rows, in mini-batch order, become one file by one rename.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/record.h"

namespace pj::output {

struct PublishRequest {
  std::string segments_dir;
  std::vector<ledger::ShardRecord> shards;  // sealed, ordered, a partition of [0, M)
  uint64_t mini_batches = 0;
  bool complete = true;                     // every mini-batch must have exactly one entry; else a partial file
  std::string header;                       // bytes put first (csv header line with "\n"); may be empty
  std::string destination;                  // final path; its folder exists
};

struct Published {
  std::string path;
  uint64_t bytes = 0;
  uint64_t rows = 0;
  uint32_t crc = 0;
};

// Checks free space first (kNoSpace names file system, free and needed bytes), copies contiguous runs with
// copy_file_range, reads the destination back against length and CRC, fsyncs, renames once. A missing or
// double entry, or an entry out of its shard's range, is kCorrupt ("LedgerCorrupt: …").
Result<Published> Publish(const PublishRequest& request);

// Recounts without writing: what `verify` compares with the published file and the ledger's counters.
struct Audit {
  uint64_t mini_batches = 0;     // with exactly one committed terminal entry
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint32_t crc = 0;              // of header + rows in order
  std::vector<std::string> findings;  // every difference, one sentence each
};
Result<Audit> AuditSegments(const PublishRequest& request);

}  // namespace pj::output
