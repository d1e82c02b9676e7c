// Fault points: named places where a test build kills the program, to prove that a crash there
// loses nothing. In other builds the call does nothing; keep it off the path of single
// mini-batches.
#pragma once

namespace pj {

// With PARALLELJOB_FAULT="<name>:<n>", the n-th pass (from 1) of the point `name` ends the process
// with SIGKILL, or sends it the signal PARALLELJOB_FAULT_SIGNAL. Thread-safe.
void HitFaultPoint(const char* name);

#define PJ_FAULT(name) ::pj::HitFaultPoint(name)

}  // namespace pj
