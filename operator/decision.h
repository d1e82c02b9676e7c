// Decision: how a job stands, from everything that is known of it.
#pragma once

#include <optional>
#include <string>

#include "operator/turn.h"
#include "policy/verdict.h"

namespace pj::op {

struct Decision {
  // It does not get on until a person acts; empty: not so. Of a damaged ledger still hold: cancel,
  // suspend, scale and deadline, and what becomes of lost pods.
  std::string stalled_reason;
  std::string stalled_message;
  bool invalid = false;  // stalled, and its spec says nothing to act on
  // kRunning until the end is decided; then final.
  policy::Verdict verdict;
  policy::Sums sums;
  bool environment_ready = false;  // some worker's slots can run
  bool suspended = false;          // wanted by the spec, and the end is not decided

  bool Stalled() const { return !stalled_reason.empty(); }
  bool Decided() const { return verdict.state != policy::JobState::kRunning; }
  bool Failed() const { return verdict.state == policy::JobState::kFailed; }
};

// The order: spec, result, an abort that was written before, cancel, thresholds, completion, lost
// slots, deadline, timeouts. With a damaged ledger nothing follows from its counts.
Decision Decide(Turn* turn);

// The first living worker that says of itself that it does not get on (for `reason`, if given),
// or whoever finalises; null when there is none.
const job::WorkerState* Troubled(const Turn& turn, const std::string& reason = {});

// The outcome that `result` tells.
policy::Verdict VerdictOf(const job::StoredResult& result);

}  // namespace pj::op
