#include "base/words.h"

#include <fmt/core.h>

namespace pj {

std::string NounFor(uint64_t number, std::string_view one, std::string_view many) {
  if (number == 1) return std::string(one);
  if (!many.empty()) return std::string(many);
  if (one.ends_with("ry")) return std::string(one.substr(0, one.size() - 1)) + "ies";
  const bool hisses = one.ends_with('s') || one.ends_with("ch");
  return std::string(one) + (hisses ? "es" : "s");
}

std::string Count(uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, NounFor(number, one, many));
}

}  // namespace pj
