// The conformance runner: plays a file of cases/ against any Api and tells what differs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/api.h"

namespace pj::kube::conformance {

// The server under test.
struct Target {
  // The Api to use for the next step; may be another object each time (after a restart).
  std::function<Api&()> api;
  // Expires the server's history; empty if it cannot (such files are skipped).
  std::function<void()> compact;
  std::string ns = "conformance";
};

struct Outcome {
  bool skipped = false;  // needs something that the target cannot do
  int steps = 0;
  std::vector<std::string> failures;  // "<say>: <what differs>"
};

// False if the file says that the server must not restart between its steps.
bool MayRestart(const std::string& path);

// Plays one file. Steps after a failed one are played too.
Outcome RunFile(const std::string& path, const Target& target);

}  // namespace pj::kube::conformance
