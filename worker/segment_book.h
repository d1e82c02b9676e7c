// SegmentBook: the open segments of one agent, what is appended to them, and what of it was
// committed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/agent_core.h"
#include "output/segment.h"
#include "worker/dispatcher.h"
#include "worker/io_thread.h"

namespace pj::worker {

struct SegmentBookOptions {
  std::string dir;
  std::string holder;
  std::string incarnation;
  std::string node;
  std::string address;
  std::function<void(const output::AttemptRecord&)> on_committed;  // on the I/O thread
};

// Belongs to the agent's thread. The IoThread must outlive it.
class SegmentBook {
 public:
  SegmentBook(SegmentBookOptions options, IoThread* io);

  Status Open(const ledger::OpenSegment& open);
  void Close(uint64_t lo);
  // The attempt as the ledger is to see it; `record()` of the same attempt is made along.
  ledger::AttemptResult Judge(const EndedAttempt& attempt);
  // What Judge made, with the ledger's verdict: the attempt record, and the index entry with its
  // rows when it is terminal.
  void Append(const EndedAttempt& attempt, ledger::Verdict verdict);
  void Sync(uint64_t lo);
  // A shard record that is known to be committed: reports the attempts that are new in it.
  void OnCommitted(const std::string& shard_record);
  size_t PendingBytes() const;

 private:
  struct Segment {
    uint64_t lo = 0;
    uint64_t epoch = 0;
    std::shared_ptr<output::SegmentWriter> writer;
  };
  Segment* Find(uint64_t lo);
  void NameLog(const EndedAttempt& attempt);

  SegmentBookOptions options_;
  IoThread* io_;
  std::vector<Segment> segments_;             // few: searched in order
  std::map<std::string, uint64_t> reported_;  // segment → attempts' length that was reported
  output::AttemptRecord record_;              // its strings are kept from attempt to attempt
  std::string log_text_;
};

}  // namespace pj::worker
