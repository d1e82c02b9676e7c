// SlotProcess: one Python process of a slot, as the agent sees it: socket, page, and what it was
// given.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fs.h"
#include "base/result.h"
#include "ledger/agent_core.h"
#include "plan/plan.h"
#include "worker/agent.h"
#include "worker/fd_passing.h"
#include "worker/frame.h"
#include "worker/process_logs.h"
#include "worker/shared_page.h"

namespace pj::worker {

// A mini-batch that was sent to a process and is not answered yet.
struct InFlight {
  enum class Fate : uint8_t {
    kLive,
    kWithdrawn,  // given back; the process skips it
    kDropped,    // not ours any more; the answer is thrown away
    kDone,
  };
  ledger::Assignment assignment;
  Nanos sent_at{0};
  uint64_t items = 0;
  std::string detail;  // for the reports; the buffer is kept from mini-batch to mini-batch
  Fate fate = Fate::kDone;
};

// starting → initialising → ready (busy while something is in flight) → ending → gone.
enum class Phase : uint8_t {
  kSpare,         // forked, nothing of the user's loaded; waits for kStart
  kInitialising,  // asked for, or within import and init()
  kNotStarted,    // said why it cannot start, and is about to end
  kReady,
  kEnding,  // shutdown() was asked for
  kClosed,  // its socket is gone or broken: waits for the exit status
  kKilled,  // SIGKILL was sent
};

// Why a running mini-batch has to be taken from its process.
struct Overdue {
  uint64_t sequence = 0;
  ledger::AttemptStatus status = ledger::AttemptStatus::kRunTimeout;
};

// Not thread-safe. In-flight entries form a ring in the order of sending; entry n of all that were
// ever sent uses page entry n modulo wire::kPageEntries.
class SlotProcess {
 public:
  SlotProcess(int number, UniqueFd socket, SharedPage page, ProcessLogs logs = {})
      : number_(number),
        socket_(std::move(socket)),
        page_(std::move(page)),
        logs_(std::move(logs)) {}
  ~SlotProcess() { TrimLogs(logs_); }

  int number() const { return number_; }
  int socket() const { return socket_.get(); }
  const SharedPage& page() const { return page_; }
  const ProcessLogs& logs() const { return logs_; }

  Phase phase = Phase::kInitialising;
  int pid = 0;                    // 0 until the zygote has said it
  bool native = false;            // its marks are compare-and-swap, so entries may be withdrawn
  bool exclusive = false;         // a fresh or alone attempt: nothing else beside it
  bool was_ready = false;         // init() has returned
  bool did_something = false;     // gave a result, or was charged with an attempt
  bool excused = false;           // its end says nothing about the script
  Nanos deadline{Nanos::max()};   // of the phase: init(), shutdown(), waiting for the end
  Nanos check_at{Nanos::max()};   // when to look at the page again
  Nanos recall_at{Nanos::max()};  // when to ask whether anything waits too long
  bool held_up = false;           // something did: nothing is sent behind the one that runs
  std::string killed_why;         // set by whoever decided on the kill
  std::optional<uint64_t> stack_from;  // its stacks were asked for: where its log ended then
  std::optional<Overdue> overdue;      // the kill was for a timeout
  std::string init_category, init_message, init_traceback;  // kInitError

  size_t live() const { return live_; }
  size_t room() const { return wire::kPageEntries - static_cast<size_t>(next_ - passed_); }
  bool Unused() const { return next_ == 0; }

  // Builds and sends one frame. kUnavailable or kGone: nothing was sent, nothing is in flight.
  Status Send(const std::vector<ledger::Assignment>& assignments, const plan::Plan& plan,
              RunFrame* frame, Nanos now);
  // True: an answer now comes too late, the mini-batch is taken from the process.
  bool PastItsTime();
  // The entry that a result answers (now kDone, or kDropped); null when it fits none.
  InFlight* Answer(uint64_t mini_batch, uint32_t attempt);

  // The first entry that is not ended: being worked on, or next.
  struct Current {
    uint64_t sequence = 0;
    uint64_t state = 0;  // wire::State
    Nanos since{0};      // as the process says
  };
  std::optional<Current> Look() const;
  bool RunsAlone() const;  // careful mode's one mini-batch
  // Sets check_at to the next time worth looking, or returns what is over its time.
  std::optional<Overdue> CheckTime(const Timeouts& timeouts, Nanos now);

  // Takes back up to `max` of the entries sent last that have not been started.
  void Withdraw(size_t max, std::vector<ledger::Assignment>* out);
  // Withdraws all that waits behind an entry that has run for `patience`, and sets recall_at.
  void Recall(Nanos patience, Nanos now, std::vector<ledger::Assignment>* out);
  // Entries not yet started.
  size_t Waiting() const;
  // Forgets what is at or above `from` of shard `lo`. True: one of them is running.
  bool Drop(uint64_t lo, uint64_t from);

  // The process is gone: whom to charge, if anybody (also cleared from flight), and who goes back.
  struct Remains {
    std::optional<InFlight> culprit;
    ledger::AttemptStatus status = ledger::AttemptStatus::kProcessDied;
    std::vector<ledger::Assignment> innocent;
  };
  // `foreign`: ended by a SIGKILL that nobody here sent.
  Remains Bury(bool foreign);
  // The slot host is gone: running ones are suspects and stay with the ledger.
  std::vector<ledger::Assignment> GiveBackUnstarted();

 private:
  InFlight& At(uint64_t sequence) { return ring_[sequence % wire::kPageEntries]; }
  const InFlight& At(uint64_t sequence) const { return ring_[sequence % wire::kPageEntries]; }
  static uint32_t Page(uint64_t sequence) {
    return static_cast<uint32_t>(sequence % wire::kPageEntries);
  }
  void SkipWithdrawn();
  Status Build(const std::vector<ledger::Assignment>& assignments, const plan::Plan& plan,
               RunFrame* frame, Nanos now);
  Nanos FirstSeen(const Current& current, Nanos now);

  const int number_;
  UniqueFd socket_;
  SharedPage page_;
  const ProcessLogs logs_;
  std::array<InFlight, wire::kPageEntries> ring_;
  uint64_t next_ = 0;    // sequence number of the next entry
  uint64_t head_ = 0;    // first one that is not answered
  uint64_t passed_ = 0;  // page entries below it are free: a result at or behind them has come
  uint64_t frames_ = 0;
  size_t live_ = 0;
  // When we first saw the current entry in its state: a script may lie about its times.
  uint64_t seen_sequence_ = UINT64_MAX;
  uint64_t seen_state_ = 0;
  Nanos seen_at_{0};
};

}  // namespace pj::worker
