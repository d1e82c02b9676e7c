// ChunkReader: the chunks of a file in order, long files scanned by several threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "plan/chunk.h"

namespace pj::plan {

// Memory that one reader after the other uses.
using ScanBuffers = std::deque<Chunk>;

// Belongs to one thread, which scans too. `buffers` and what `source` points to must outlive it.
class ChunkReader {
 public:
  ChunkReader(const ScanSource& source, ScanBuffers* buffers);
  ~ChunkReader();
  ChunkReader(const ChunkReader&) = delete;
  ChunkReader& operator=(const ChunkReader&) = delete;

  // The next chunk, or null at the end; the one before is no longer valid.
  Result<const Chunk*> Next();

 private:
  struct Slot {
    bool done = false;
    Status status = {};
  };

  void StartHelpers();
  void Help();
  bool CanClaim() const;
  // Scans the next chunk that nobody has claimed.
  void ScanOne(std::unique_lock<std::mutex>* lock);

  ScanSource source_;
  ScanBuffers* buffers_;
  uint64_t count_;
  ScanState state_;    // before the chunk that comes next
  bool lent_ = false;  // chunk `next_` is with the caller

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_. Chunk i lies in slot i modulo their number; a slot belongs to whoever
  // claimed it, and when it is done, to the reader.
  std::vector<Slot> slots_;
  uint64_t claimed_ = 0;  // chunks below are claimed
  uint64_t next_ = 0;     // the one that the reader has or wants
  bool stop_ = false;
  std::vector<std::jthread> helpers_;
};

}  // namespace pj::plan
