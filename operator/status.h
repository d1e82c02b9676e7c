// Status: what a ParallelJob's status says: conditions, counters, samples of failures, effective
// settings. One write a reconcile at most, and none when nothing changed.
#pragma once

#include <string>
#include <vector>

#include "operator/decision.h"
#include "operator/turn.h"

namespace pj::op {

struct Condition {
  std::string type;
  bool is_true = true;
  std::string reason;   // CamelCase
  std::string message;  // one line, the cause first
};

// The conditions that hold now. The verdict comes first (FailureTarget, SuccessCriteriaMet); the
// terminal one (Failed, Complete) when all pods are gone.
std::vector<Condition> ConditionsOf(const Turn& turn, const Decision& decision);

// One word for people; programs read the conditions.
std::string StateOf(const Turn& turn, const Decision& decision);

struct WantedStatus {
  std::string state;
  std::string json;  // the whole status, when it differs from the stored one; else empty
};

// What did not change keeps its old text and times.
WantedStatus StatusOf(const Turn& turn, const Decision& decision);

}  // namespace pj::op
