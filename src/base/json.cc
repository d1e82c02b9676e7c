#include "base/json.h"

#include <fmt/core.h>

template class nlohmann::basic_json<>;
template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace pj {
namespace {

template <class Tree>
Result<Tree> Parse(std::string_view text, const std::string& where) {
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

}  // namespace

Result<Json> ParseJson(std::string_view text, const std::string& where) {
  return Parse<Json>(text, where);
}

Result<nlohmann::json> ParseTree(std::string_view text, const std::string& where) {
  return Parse<nlohmann::json>(text, where);
}

std::string DumpJson(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string DumpTree(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace pj
