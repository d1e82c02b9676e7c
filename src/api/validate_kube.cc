#include "api/validate_kube.h"

#include <algorithm>

namespace pj::api {
namespace {

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A label's value, or the part of its key behind '/'.
bool IsLabelText(std::string_view text) {
  if (text.empty() || text.size() > 63 || !IsAlnum(text.front()) || !IsAlnum(text.back())) {
    return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlnum(c) || c == '-' || c == '_' || c == '.'; });
}

// Labels of DNS with dots between them.
bool IsSubdomain(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    if (!IsDnsLabel(name.substr(begin, end - begin), 253)) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

bool IsDnsLabel(std::string_view name, size_t limit) {
  if (name.empty() || name.size() > limit || name.front() == '-' || name.back() == '-') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool IsQualifiedName(std::string_view key) {
  const size_t slash = key.find('/');
  if (slash == std::string_view::npos) return IsLabelText(key);
  return IsSubdomain(key.substr(0, slash)) && IsLabelText(key.substr(slash + 1));
}

std::string LabelProblem(const std::string& key, const std::string& value) {
  const size_t slash = key.find('/');
  const std::string prefix = slash == std::string::npos ? "" : key.substr(0, slash);
  const bool own = prefix == "paralleljob.dev" || prefix.ends_with(".paralleljob.dev");
  if (own) return "the prefix paralleljob.dev is the operator's";
  if (!IsQualifiedName(key)) {
    return "is not a label's key: [prefix/]name, letters, digits, '-', '_', '.', at most 63";
  }
  if (!value.empty() && !IsLabelText(value)) {
    return "is not a label's value: letters, digits, '-', '_', '.', at most 63";
  }
  return {};
}

}  // namespace pj::api
