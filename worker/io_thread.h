// IoThread: the agent's blocking work, one thing after the other: API calls and durable appends.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/fs.h"
#include "base/result.h"
#include "ledger/agent_core.h"
#include "output/segment.h"
#include "worker/store.h"

namespace pj::worker {

struct CallDone {
  ledger::Reply reply;
  ledger::Call call;
};
// The store failed for good; nothing is known of the call.
struct CallFailed {
  Error error;
};
struct SyncDone {
  uint64_t lo = 0;
  uint64_t epoch = 0;
  Result<ledger::OutputMark> mark;
};
using IoDone = std::variant<CallDone, CallFailed, SyncDone>;

// Post* and TakeDone belong to the agent's thread. Destruction finishes what runs and drops the
// rest.
class IoThread {
 public:
  explicit IoThread(StoreClient store);
  ~IoThread();

  void PostCall(ledger::Call call);
  void PostSync(uint64_t lo, uint64_t epoch, std::shared_ptr<output::SegmentWriter> writer,
                output::SegmentWriter::PendingPtr pending);
  // Anything else that must not hold up the agent (reports); answers nothing.
  void PostTask(std::function<void()> task);
  // Readable while something is done.
  int event_fd() const { return event_.get(); }
  void TakeDone(std::vector<IoDone>* out);
  // Waits until everything posted so far is done.
  void Flush();

 private:
  struct Sync {
    uint64_t lo = 0;
    uint64_t epoch = 0;
    std::shared_ptr<output::SegmentWriter> writer;
    output::SegmentWriter::PendingPtr pending;
  };
  using Work = std::variant<ledger::Call, Sync, std::function<void()>>;

  void Post(Work work);
  void Run();
  void Do(Work* work);
  void Done(IoDone done);

  StoreClient store_;
  UniqueFd event_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Work> queue_;
  std::vector<IoDone> done_;
  bool busy_ = false;
  bool stop_ = false;
  std::jthread thread_;
};

}  // namespace pj::worker
