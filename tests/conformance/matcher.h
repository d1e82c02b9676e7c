// Comparing an answer with what a step expects. Include in .cc files only (JSON).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace pj::kube::conformance {

// What a step got: the answer of a request, or an event of a watch.
struct Got {
  int code = 0;
  std::string reason = {};
  std::string event = {};  // "ADDED" …
  Json body = {};
};

// What differs from `expect` (see README.md); empty if nothing does.
std::vector<std::string> Differences(const Json& expect, const Got& got);

// Replaces ${x} in every string of `value`.
Json Substitute(const Json& value, const std::map<std::string, std::string>& variables);

}  // namespace pj::kube::conformance
