// Events: the few things that `kubectl describe` should tell of a job. Their names are made of what
// they tell, so that telling twice creates nothing.
#pragma once

#include <string>

#include "operator/decision.h"
#include "operator/turn.h"

namespace pj::op {

struct EventText {
  bool warning = false;
  std::string reason;   // CamelCase
  std::string message;  // one line
  std::string key;      // tells events of one reason apart; empty: one for the run
};

// A lost event is not worth a failed reconcile: errors are only logged.
void Tell(Turn* turn, const EventText& event);

// What follows from how the job stands now: planned, started, suspended, failed mini-batches, a
// threshold nearly reached, the end.
void TellStanding(Turn* turn, const Decision& decision);

}  // namespace pj::op
