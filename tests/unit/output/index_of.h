// IndexOf: all entries of a segment's index at once.
#pragma once

#include <string>
#include <vector>

#include "output/segment.h"

namespace pj::output {

inline Result<std::vector<IndexEntry>> IndexOf(const std::string& dir,
                                               const ledger::OutputMark& mark) {
  std::vector<IndexEntry> entries;
  PJ_TRY(ReadIndex(dir, mark, [&](const IndexEntry& entry) { entries.push_back(entry); }));
  return entries;
}

}  // namespace pj::output
