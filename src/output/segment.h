// Segments: where an agent appends rows, index entries and attempt records of one shard and epoch
// before the commit in the ledger makes them visible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/agent_core.h"
#include "ledger/record.h"

namespace pj::output {

class FileOps;

// Fixed-width entry of the index file: one for each terminal mini-batch, 0 rows included.
struct IndexEntry {
  uint64_t mini_batch = 0;
  uint32_t attempt = 0;
  uint32_t crc = 0;     // CRC32C of the rows' bytes
  uint64_t offset = 0;  // in the rows file
  uint64_t length = 0;  // bytes
  uint64_t rows = 0;
};
inline constexpr size_t kIndexEntryBytes = 40;

// One attempt, terminal or not: everything that reports need.
struct AttemptRecord {
  uint64_t mini_batch = 0;
  uint32_t attempt = 1;
  ledger::AttemptStatus status = ledger::AttemptStatus::kRunDone;
  bool terminal = false;
  std::string node;      // "instance-0"
  std::string address;   // IP
  uint32_t process = 0;  // processNNN
  int64_t start_wall_ns = 0;
  int64_t elapsed_ns = 0;  // from hand-out to result
  int64_t process_ns = 0;  // CPU time of the process
  int64_t run_ns = 0;      // the run() call
  uint64_t items_total = 0;
  uint64_t items_ok = 0;
  uint64_t items_failed = 0;
  uint64_t rows = 0;
  std::string category;   // exception type, "Timeout", "ProcessDied" …
  std::string message;    // ≤ limits::kMessageBytes
  std::string traceback;  // ≤ limits::kTracebackBytes
  std::string detail;     // what the mini-batch held (first path, keys)
  std::string log;        // log file of the process
};

// Unique per shard, epoch and agent: "<lo>-<epoch>-<holder>-<incarnation>".
std::string SegmentStem(uint64_t lo, uint64_t epoch, const std::string& holder,
                        const std::string& incarnation);

// One writer per (shard, epoch). Append* and TakePending belong to the agent's thread; Commit to
// its I/O thread. They share nothing but what TakePending hands over.
class SegmentWriter {
 public:
  struct Pending;  // bytes appended since the last TakePending
  struct PendingDeleter {
    void operator()(Pending*) const;
  };
  using PendingPtr = std::unique_ptr<Pending, PendingDeleter>;

  // Creates the three files in `dir`, or opens those of `committed` and truncates what lies beyond.
  // `files` (null: the real ones) must outlive the writer.
  static Result<std::unique_ptr<SegmentWriter>> Open(
      const std::string& dir, const std::string& stem,
      const std::optional<ledger::OutputMark>& committed, FileOps* files = nullptr);
  virtual ~SegmentWriter() = default;

  // A terminal mini-batch's rows (may be empty) and its index entry.
  virtual void AppendRows(uint64_t mini_batch, uint32_t attempt, std::string_view bytes,
                          uint64_t rows) = 0;
  virtual void AppendAttempt(const AttemptRecord& record) = 0;
  virtual size_t PendingBytes() const = 0;
  virtual PendingPtr TakePending() = 0;
  // Appends rows, index, attempts; fdatasync each; then the new mark. On an error nothing is
  // acknowledged, the files are truncated back, and the next Commit (with null, too) writes this
  // part again together with its own: nothing appended is ever skipped.
  virtual Result<ledger::OutputMark> Commit(PendingPtr pending) = 0;
};

// Readers: only committed bytes. A checksum or length that does not fit is kCorrupt
// ("LedgerCorrupt: …"). `files` (null: the real ones) says whether a missing one may still come.
// Calls `each` for every committed entry, after all of them were checked; memory stays bounded.
Status ReadIndex(const std::string& dir, const ledger::OutputMark& mark,
                 const std::function<void(const IndexEntry&)>& each, FileOps* files = nullptr);
// Calls `each` for every committed attempt record; memory stays bounded.
// `from`: the attempts length of an earlier mark of the same segment; only what came after is read.
Status ReadAttempts(const std::string& dir, const ledger::OutputMark& mark,
                    const std::function<void(const AttemptRecord&)>& each, uint64_t from = 0,
                    FileOps* files = nullptr);

}  // namespace pj::output
