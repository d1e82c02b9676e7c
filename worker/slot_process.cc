#include "worker/slot_process.h"

#include <algorithm>

namespace pj::worker {
namespace {

bool Started(uint64_t state) { return state == wire::kLoading || state == wire::kRunning; }

}  // namespace

Status SlotProcess::Build(const std::vector<ledger::Assignment>& assignments,
                          const plan::Plan& plan, RunFrame* frame, Nanos now) {
  frame->Begin(++frames_);
  uint64_t sequence = next_;
  for (const ledger::Assignment& assignment : assignments) {
    InFlight& entry = At(sequence);
    std::string* payload =
        frame->BeginEntry(assignment.mini_batch, assignment.attempt, Page(sequence));
    PJ_TRY(plan.AppendPayload(assignment.mini_batch, payload));
    if (!SummarizePayload(frame->EndEntry(), &entry.items, &entry.detail)) {
      return Fail(Code::kCorrupt, "a mini-batch of the plan cannot be read",
                  "mini-batch " + std::to_string(assignment.mini_batch));
    }
    entry.assignment = assignment;
    entry.sent_at = now;
    ++sequence;
  }
  return {};
}

Status SlotProcess::Send(const std::vector<ledger::Assignment>& assignments, const plan::Plan& plan,
                         RunFrame* frame, Nanos now) {
  PJ_TRY(Build(assignments, plan, frame, now));
  const uint64_t end = next_ + assignments.size();
  for (uint64_t sequence = next_; sequence < end; ++sequence) page_.MarkSent(Page(sequence));
  if (Status sent = SendFrame(socket_.get(), frame->Finish()); !sent) {
    for (uint64_t sequence = next_; sequence < end; ++sequence) page_.MarkFree(Page(sequence));
    return sent;
  }
  for (; next_ < end; ++next_) At(next_).fate = InFlight::Fate::kLive;
  live_ += assignments.size();
  return {};
}

void SlotProcess::SkipWithdrawn() {
  while (head_ < next_ && At(head_).fate == InFlight::Fate::kWithdrawn) ++head_;
}

bool SlotProcess::PastItsTime() {
  SkipWithdrawn();
  return overdue && head_ >= overdue->sequence;
}

InFlight* SlotProcess::Answer(uint64_t mini_batch, uint32_t attempt) {
  SkipWithdrawn();
  if (head_ == next_) return nullptr;
  InFlight& entry = At(head_);
  if (entry.assignment.mini_batch != mini_batch || entry.assignment.attempt != attempt) {
    return nullptr;
  }
  const uint64_t state = page_.State(Page(head_));
  if (!Started(state) && state != wire::kEnded) return nullptr;
  ++head_;
  passed_ = head_;
  held_up = false;
  if (entry.fate == InFlight::Fate::kLive) {
    entry.fate = InFlight::Fate::kDone;
    --live_;
  }
  did_something = true;
  return &entry;
}

std::optional<SlotProcess::Current> SlotProcess::Look() const {
  for (uint64_t sequence = head_; sequence < next_; ++sequence) {
    if (At(sequence).fate == InFlight::Fate::kWithdrawn) continue;
    const uint32_t page = Page(sequence);
    const uint64_t state = page_.State(page);
    if (state == wire::kEnded) continue;
    Current current{sequence, state, At(sequence).sent_at};
    if (state == wire::kLoading) current.since = page_.StartedAt(page);
    if (state == wire::kRunning) current.since = page_.RunAt(page);
    return current;
  }
  return std::nullopt;
}

bool SlotProcess::RunsAlone() const {
  const std::optional<Current> current = Look();
  return current && At(current->sequence).assignment.alone;
}

Nanos SlotProcess::FirstSeen(const Current& current, Nanos now) {
  if (current.sequence != seen_sequence_ || current.state != seen_state_) {
    seen_sequence_ = current.sequence;
    seen_state_ = current.state;
    seen_at_ = now;
  }
  return seen_at_;
}

std::optional<Overdue> SlotProcess::CheckTime(const Timeouts& timeouts, Nanos now) {
  SkipWithdrawn();
  if (head_ == next_) {
    check_at = Nanos::max();
    return std::nullopt;
  }
  // All ended and no answer comes: then the first answer is what we wait for.
  const Current current = Look().value_or(Current{head_, wire::kEnded, Nanos::max()});
  const bool running = current.state == wire::kRunning;
  const Nanos limit = running ? timeouts.run : timeouts.overhead;
  Nanos since = FirstSeen(current, now);
  if (Started(current.state)) since = std::min(since, current.since);
  if (now - since >= limit) {
    return Overdue{current.sequence, running ? ledger::AttemptStatus::kRunTimeout
                                             : ledger::AttemptStatus::kLoadTimeout};
  }
  // What starts after now cannot be over its time before now + the shorter limit.
  check_at = std::min(since + limit, now + std::min(timeouts.run, timeouts.overhead));
  return std::nullopt;
}

void SlotProcess::Withdraw(size_t max, std::vector<ledger::Assignment>* out) {
  SkipWithdrawn();
  // The first one stays: its answer frees the page entries of those that are withdrawn.
  for (uint64_t sequence = next_; sequence > head_ + 1 && max > 0; --sequence) {
    InFlight& entry = At(sequence - 1);
    if (entry.fate != InFlight::Fate::kLive) continue;
    if (!page_.TryWithdraw(Page(sequence - 1))) return;
    entry.fate = InFlight::Fate::kWithdrawn;
    --live_;
    --max;
    out->push_back(entry.assignment);
  }
}

void SlotProcess::Recall(Nanos patience, Nanos now, std::vector<ledger::Assignment>* out) {
  recall_at = Nanos::max();
  if (!native || Waiting() == 0) return;
  // All ended: the answer is on its way.
  const std::optional<Current> current = Look();
  recall_at = (current ? std::min(current->since, now) : now) + patience;
  if (now < recall_at) return;
  recall_at = Nanos::max();
  held_up = true;
  Withdraw(wire::kPageEntries, out);
}

size_t SlotProcess::Waiting() const {
  size_t count = 0;
  for (uint64_t sequence = next_; sequence > head_; --sequence) {
    if (At(sequence - 1).fate != InFlight::Fate::kLive) continue;
    if (page_.State(Page(sequence - 1)) != wire::kSent) break;
    ++count;
  }
  return count;
}

bool SlotProcess::Drop(uint64_t lo, uint64_t from) {
  bool running = false;
  for (uint64_t sequence = head_; sequence < next_; ++sequence) {
    InFlight& entry = At(sequence);
    if (entry.fate != InFlight::Fate::kLive || entry.assignment.lo != lo ||
        entry.assignment.mini_batch < from) {
      continue;
    }
    --live_;
    // Withdrawn ones behind the head only: the head's answer frees the page.
    const bool skipped = native && sequence > head_ && page_.TryWithdraw(Page(sequence));
    entry.fate = skipped ? InFlight::Fate::kWithdrawn : InFlight::Fate::kDropped;
    running = running || !skipped;
  }
  return running;
}

SlotProcess::Remains SlotProcess::Bury(bool foreign) {
  Remains out;
  std::optional<uint64_t> guilty;
  if (overdue) {
    guilty = overdue->sequence;
    out.status = overdue->status;
  } else if (const std::optional<Current> current = Look(); current && Started(current->state)) {
    guilty = current->sequence;
  } else if (!foreign) {
    // It died between two: what it ended last is the nearest suspect.
    for (uint64_t s = head_; s < next_; ++s) {
      if (page_.State(Page(s)) == wire::kEnded) guilty = s;
    }
  }
  for (uint64_t sequence = head_; sequence < next_; ++sequence) {
    InFlight& entry = At(sequence);
    if (entry.fate != InFlight::Fate::kLive) continue;
    if (guilty == sequence) {
      out.culprit = entry;
    } else {
      out.innocent.push_back(entry.assignment);
    }
    entry.fate = InFlight::Fate::kDone;
  }
  head_ = passed_ = next_;
  live_ = 0;
  return out;
}

std::vector<ledger::Assignment> SlotProcess::GiveBackUnstarted() {
  std::vector<ledger::Assignment> out;
  for (uint64_t sequence = head_; sequence < next_; ++sequence) {
    InFlight& entry = At(sequence);
    if (entry.fate == InFlight::Fate::kLive && !Started(page_.State(Page(sequence)))) {
      out.push_back(entry.assignment);
    }
    entry.fate = InFlight::Fate::kDone;
  }
  head_ = passed_ = next_;
  live_ = 0;
  return out;
}

}  // namespace pj::worker
