// Ways out that several modules name; the rest stand where their error is made.
#pragma once

namespace pj {

// Of kCorrupt, for files that are no input: the plan, segments.
inline constexpr const char* kStartAnew =
    "restore the file from a copy, or start anew: a local run with --fresh; on a cluster delete "
    "the ParallelJob and apply it again";

}  // namespace pj
