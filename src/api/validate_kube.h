// Checks of Kubernetes' names and labels. Internal to src/api.
#pragma once

#include <string>
#include <string_view>

namespace pj::api {

// [a-z0-9] and '-' inside, at most `limit` characters.
bool IsDnsLabel(std::string_view name, size_t limit);
// [prefix/]name, as the keys of labels and annotations are.
bool IsQualifiedName(std::string_view key);
// What is wrong with a label's key or value; empty if nothing.
std::string LabelProblem(const std::string& key, const std::string& value);
}  // namespace pj::api
