// JSON helpers around nlohmann/json that close its traps: checked integers, bounded depth, safe
// dumping. Include it in .cc files only (it is heavy); headers use <nlohmann/json_fwd.hpp>.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"

namespace pj {

using Json = nlohmann::ordered_json;

// Parses one document into a tree type of nlohmann's; text nested deeper than limits::kJsonDepth,
// or broken, is kInvalid.
template <class Tree>
Result<Tree> ParseJsonAs(std::string_view text, const std::string& where = {}) {
  bool too_deep = false;
  auto watch_depth = [&](int depth, auto event, Tree&) {
    using Event = decltype(event);
    const bool opens = event == Event::object_start || event == Event::array_start;
    too_deep = too_deep || (opens && static_cast<size_t>(depth) >= limits::kJsonDepth);
    return !too_deep;
  };
  Tree value = Tree::parse(text, watch_depth, /*allow_exceptions=*/false);
  if (too_deep) {
    return Fail(Code::kInvalid,
                fmt::format("JSON is nested deeper than {} levels", limits::kJsonDepth), where);
  }
  if (value.is_discarded()) return Fail(Code::kInvalid, "not valid JSON", where);
  return value;
}
inline Result<Json> ParseJson(std::string_view text, const std::string& where = {}) {
  return ParseJsonAs<Json>(text, where);
}

// Never throws: bytes that are not UTF-8 become U+FFFD.
inline std::string DumpJson(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

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
