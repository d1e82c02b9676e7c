#include "plan/chunk_reader.h"

#include <algorithm>

namespace pj::plan {
namespace {

// Threads cost more than they bring before that; and headers need the first chunks only.
constexpr uint64_t kChunksAlone = 3;
constexpr uint64_t kChunksForHelpers = 10;
constexpr unsigned kMaxThreads = 4;

size_t Threads(const ScanSource& source) {
  if (source.options.unit != CodeUnit::kSingle || ChunkCount(source) < kChunksForHelpers) return 1;
  return std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads);
}

}  // namespace

ChunkReader::ChunkReader(const ScanSource& source, ScanBuffers* buffers)
    : source_(source), buffers_(buffers), count_(ChunkCount(source)) {
  const size_t threads = Threads(source);
  source_.split_at_newlines = threads > 1;
  slots_.resize(threads > 1 ? 2 * threads : 1);
  if (buffers_->size() < slots_.size()) buffers_->resize(slots_.size());
}

ChunkReader::~ChunkReader() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  changed_.notify_all();
}

bool ChunkReader::CanClaim() const { return claimed_ < count_ && claimed_ < next_ + slots_.size(); }

void ChunkReader::ScanOne(std::unique_lock<std::mutex>* lock) {
  const uint64_t index = claimed_++;
  Slot& slot = slots_[index % slots_.size()];
  // The state before a chunk is known only to who scans one after the other.
  const ScanState before = slots_.size() == 1 ? state_ : ScanState{};
  lock->unlock();
  Status status = (*buffers_)[index % slots_.size()].Load(source_, index, before);
  lock->lock();
  slot = {true, std::move(status)};
  changed_.notify_all();
}

void ChunkReader::StartHelpers() {
  for (size_t i = 2; i < slots_.size(); i += 2) helpers_.emplace_back([this] { Help(); });
}

void ChunkReader::Help() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || CanClaim(); });
    if (stop_) return;
    ScanOne(&lock);
  }
}

Result<const Chunk*> ChunkReader::Next() {
  std::unique_lock lock(mutex_);
  if (lent_) {
    ++next_;
    changed_.notify_all();
  }
  lent_ = next_ < count_;
  if (!lent_) return nullptr;
  if (next_ == kChunksAlone) StartHelpers();
  const uint64_t index = next_;
  Slot& slot = slots_[index % slots_.size()];
  while (!slot.done) {
    if (CanClaim()) {
      ScanOne(&lock);
    } else {
      changed_.wait(lock);
    }
  }
  slot.done = false;
  PJ_TRY(slot.status);
  lock.unlock();
  Chunk& chunk = (*buffers_)[index % slots_.size()];
  chunk.Follow(source_, state_);
  state_ = chunk.after();
  return &chunk;
}

}  // namespace pj::plan
