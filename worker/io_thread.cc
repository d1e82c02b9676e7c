#include "worker/io_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace pj::worker {

IoThread::IoThread(StoreClient store)
    : store_(std::move(store)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); }) {}

IoThread::~IoThread() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
}

void IoThread::PostCall(ledger::Call call) { Post(std::move(call)); }

void IoThread::PostSync(uint64_t lo, uint64_t epoch, std::shared_ptr<output::SegmentWriter> writer,
                        output::SegmentWriter::PendingPtr pending) {
  Post(Sync{lo, epoch, std::move(writer), std::move(pending)});
}

void IoThread::PostTask(std::function<void()> task) { Post(std::move(task)); }

void IoThread::Post(Work work) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void IoThread::TakeDone(std::vector<IoDone>* out) {
  uint64_t count = 0;
  static_cast<void>(!::read(event_.get(), &count, sizeof count));
  std::lock_guard lock(mutex_);
  for (IoDone& done : done_) out->push_back(std::move(done));
  done_.clear();
}

void IoThread::Flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void IoThread::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Work work = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    Do(&work);
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

void IoThread::Do(Work* work) {
  if (auto* task = std::get_if<std::function<void()>>(work)) {
    (*task)();
  } else if (auto* sync = std::get_if<Sync>(work)) {
    Done(SyncDone{sync->lo, sync->epoch, sync->writer->Commit(std::move(sync->pending))});
  } else {
    auto& call = std::get<ledger::Call>(*work);
    Result<ledger::Reply> reply = store_.Do(call);
    if (!reply) return Done(CallFailed{std::move(reply).error()});
    Done(CallDone{std::move(*reply), std::move(call)});
  }
}

void IoThread::Done(IoDone done) {
  {
    std::lock_guard lock(mutex_);
    done_.push_back(std::move(done));
  }
  const uint64_t one = 1;
  static_cast<void>(!::write(event_.get(), &one, sizeof one));
}

}  // namespace pj::worker
