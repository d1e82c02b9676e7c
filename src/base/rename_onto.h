// RenameOnto: rename(2) on network file systems, where the server may have done it and its answer
// been lost, or another machine may have come first.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace pj {

struct RenameOntoOptions {
  // Does the destination hold what was to come there? Asked after an ENOENT.
  std::function<bool()> is_there;
  // −1 and errno on failure. Empty: rename(2).
  std::function<int(const std::string&, const std::string&)> rename = {};
};

Status RenameOnto(const std::string& from, const std::string& to, const RenameOntoOptions& options);

}  // namespace pj
