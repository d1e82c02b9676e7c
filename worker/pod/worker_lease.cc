#include "worker/pod/worker_lease.h"

#include <utility>

#include "base/log.h"

namespace pj::worker {

using ledger::Call;
using ledger::Reply;

WorkerLease::WorkerLease(StoreClient store, std::string name)
    : store_(std::move(store)), name_(std::move(name)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
}

WorkerLease::~WorkerLease() { Rest(); }

void WorkerLease::Hold(const std::string& holder, const job::WorkerState& state) {
  std::string note = job::EncodeWorkerState(state);
  const std::lock_guard lock(mutex_);
  if (holding_ && holder == holder_ && note == note_) return;
  holding_ = due_ = true;
  holder_ = holder;
  note_ = std::move(note);
  wake_.notify_all();
}

void WorkerLease::Rest() {
  {
    const std::lock_guard lock(mutex_);
    holding_ = due_ = false;
  }
  const std::lock_guard wait_for_write(write_mutex_);
  version_.clear();  // somebody else may write now
  released_ = false;
}

void WorkerLease::Release() {
  {
    const std::lock_guard lock(mutex_);
    holding_ = due_ = false;
  }
  const std::lock_guard lock(write_mutex_);
  if (released_) return;
  version_.clear();
  released_ = Write("", job::EncodeWorkerState({}));
  version_.clear();
  if (!released_) PJ_WARN("the lease {} is not released; others see it run out", name_);
}

void WorkerLease::SetTick(Nanos tick) {
  const std::lock_guard lock(mutex_);
  tick_ = tick;
}

void WorkerLease::Loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, tick_, [this] { return due_; });
    }
    const std::lock_guard writing(write_mutex_);
    std::string holder, note;
    {
      const std::lock_guard lock(mutex_);
      due_ = false;
      if (!holding_) continue;
      holder = holder_;
      note = note_;
    }
    released_ = false;
    if (!stop.stop_requested()) Write(holder, note);
  }
}

// The Lease's version, once somebody made it.
bool WorkerLease::Find() {
  const Result<Reply> found = store_.Do({.op = Call::Op::kGetLease, .name = name_});
  if (!found || found->outcome != Reply::Outcome::kOk) return false;
  version_ = found->version;
  return true;
}

bool WorkerLease::Write(const std::string& holder, const std::string& note) {
  for (int tries = 0; tries < 3; ++tries) {
    const bool fresh = version_.empty() && !Find();
    const Result<Reply> reply =
        store_.Do({.op = fresh ? Call::Op::kCreateLease : Call::Op::kPutLease,
                   .name = name_,
                   .version = version_,
                   .record = holder,
                   .note = note});
    if (!reply) return false;
    version_.clear();
    if (reply->outcome == Reply::Outcome::kOk) {
      version_ = reply->version;
      return true;
    }
    const bool again =
        reply->outcome == Reply::Outcome::kConflict || reply->outcome == Reply::Outcome::kExists;
    if (!again) {
      PJ_DEBUG("the lease {}: {}", name_, reply->message);
      return false;
    }
  }
  return false;
}

}  // namespace pj::worker
