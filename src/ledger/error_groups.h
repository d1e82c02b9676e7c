// Error groups: failures that look alike, counted together within a fixed budget.
#pragma once

#include <vector>

#include "ledger/record.h"

namespace pj::ledger {

// The group that takes what finds no room: its count keeps the sum of all counts exact.
inline constexpr uint64_t kOtherErrors = UINT64_MAX;

// Adds `group` to `groups` (same hash → one). At most `max_groups`; the last may be kOtherErrors.
void MergeErrorGroup(const ErrorGroup& group, size_t max_groups, std::vector<ErrorGroup>* groups);

}  // namespace pj::ledger
