// The three files of a segment: their names, and which names may come out of a ledger.
#pragma once

#include <string>

#include "base/result.h"

namespace pj::output {

struct SegmentPaths {
  std::string rows, index, attempts;
};
// A stem that is empty or leads out of `dir` is kCorrupt: it comes from a record.
Result<SegmentPaths> PathsOf(const std::string& dir, const std::string& stem);

}  // namespace pj::output
