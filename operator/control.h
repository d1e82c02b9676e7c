// Control: what the operator tells a job's agents: run, drain or abort, how often to write, and
// where work is left (protocol rules 2, 5, 6, 12).
#pragma once

#include "operator/decision.h"
#include "operator/turn.h"

namespace pj::op {

// What the control object should say now. Hints are kept as they are unless some worker idles.
ledger::Control WantedControl(const Turn& turn, const Decision& decision);

// Creates or changes the control object, if it says something else. An abort is never taken back.
Status EnsureControl(Turn* turn, const Decision& decision);

}  // namespace pj::op
