// How failed attempts are told: one in a line, and how many groups of them in how many bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "output/segment.h"

namespace pj::report {

// Groups that GroupErrors tells apart; the rest is "other errors".
inline constexpr size_t kMostGroups = 256;
// A summary as the `result` object holds it, where it is a text of JSON once more. Output columns
// (worker/schema_gate.h) and this must fit into one object.
inline constexpr size_t kSummaryBytes = 448 << 10;

// The last line that is not blank.
std::string_view LastLine(std::string_view text);
// "ValueError: bad row\nmore", escaped; the status where there is no category.
std::string ErrorText(const output::AttemptRecord& record);

}  // namespace pj::report
