// How one failed attempt is told in a line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "output/segment.h"

namespace pj::report {

// Groups that GroupErrors tells apart; the rest is "other errors".
inline constexpr size_t kMostGroups = 256;

// The last line that is not blank.
std::string_view LastLine(std::string_view text);
// "ValueError: bad row\nmore", escaped; the status where there is no category.
std::string ErrorText(const output::AttemptRecord& record);

}  // namespace pj::report
