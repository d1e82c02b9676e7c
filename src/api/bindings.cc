#include "api/bindings.h"

namespace pj::api {
namespace {

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n\r") - begin + 1);
}

}  // namespace

std::vector<Binding> FindBindings(std::string_view text) {
  std::vector<Binding> out;
  size_t at = 0;
  while ((at = text.find("${{", at)) != std::string_view::npos) {
    const size_t close = text.find("}}", at);
    if (close == std::string_view::npos) break;
    out.push_back({at, close + 2, std::string(Trim(text.substr(at + 3, close - at - 3)))});
    at = close + 2;
  }
  return out;
}

std::optional<std::string> WholeBinding(std::string_view text, std::string_view root) {
  text = Trim(text);
  const std::vector<Binding> found = FindBindings(text);
  if (found.size() != 1 || found[0].begin != 0 || found[0].end != text.size()) return std::nullopt;
  const std::string& path = found[0].path;
  const std::string prefix = std::string(root) + ".";
  if (!path.starts_with(prefix) || path.size() == prefix.size()) return std::nullopt;
  return path.substr(prefix.size());
}

}  // namespace pj::api
