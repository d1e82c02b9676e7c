// Words of messages: a number with its noun.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pj {

// "1 retry", "2 retries", "1 mini-batch", "0 files". `many` where a rule would not find it.
std::string Count(uint64_t number, std::string_view one, std::string_view many = {});
// The noun alone.
std::string NounFor(uint64_t number, std::string_view one, std::string_view many = {});

}  // namespace pj
