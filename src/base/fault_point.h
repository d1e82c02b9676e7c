// Fault points: named places where a test build kills the program, to prove that a crash there
// loses nothing. In other builds PJ_FAULT compiles to nothing.
#pragma once

namespace pj {

// With PARALLELJOB_FAULT="<name>:<n>", the n-th pass (from 1) of the point `name` ends the process
// with SIGKILL. Thread-safe.
void HitFaultPoint(const char* name);

#ifdef PJ_FAULT_POINTS
#define PJ_FAULT(name) ::pj::HitFaultPoint(name)
#else
#define PJ_FAULT(name) static_cast<void>(0)
#endif

}  // namespace pj
