// JSON helpers around nlohmann/json that close its traps: checked integers, bounded depth, safe
// dumping. Include it in .cc files only (it is heavy); headers use <nlohmann/json_fwd.hpp>.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"

namespace pj {

using Json = nlohmann::ordered_json;

// Parses one document; text nested deeper than limits::kJsonDepth, or broken, is kInvalid.
// ParseTree: into nlohmann's tree with sorted keys.
Result<Json> ParseJson(std::string_view text, const std::string& where = {});
Result<nlohmann::json> ParseTree(std::string_view text, const std::string& where = {});

// Never throws: bytes that are not UTF-8 become U+FFFD.
std::string DumpJson(const Json& value, int indent = -1);
std::string DumpTree(const nlohmann::json& value);

// The integer, or nothing for fractions, strings and numbers beyond int64 (get<int> would wrap).
inline std::optional<int64_t> CheckedInt(const Json& value) {
  if (value.is_number_unsigned()) {
    const uint64_t number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

}  // namespace pj

// Compiled once, in json.cc: in each file that includes this they would cost seconds.
extern template class nlohmann::basic_json<>;
extern template class nlohmann::basic_json<nlohmann::ordered_map>;
