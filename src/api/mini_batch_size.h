// ParseMiniBatchSize: "5" files, "10kb" bytes, "500rows" rows; and back.
#pragma once

#include <string>
#include <string_view>

#include "api/parallel_job.h"
#include "base/result.h"

namespace pj::api {

// Units in any case, × 1024; 1 or more. What a bare number or a unit means on the data at hand is
// the caller's affair (a manifest refuses a misfit, Azure YAML takes it with a warning).
Result<MiniBatchSize> ParseMiniBatchSize(std::string_view text);
// The shortest spelling that parses to `size`.
std::string ToText(const MiniBatchSize& size);

}  // namespace pj::api
