// CheckUp: whether a cluster is fit for our jobs, and whether this user may run them there.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster_target.h"

namespace pj::cli {

struct Check {
  enum class Outcome { kGood, kUnsure, kBad };
  std::string what;  // cluster, definition, operator, permissions
  Outcome outcome = Outcome::kGood;
  std::string message;
  std::string way_out;
};

// Every check is made, save those that need an answer of a server that gives none.
// `operator_namespace`: where to look for the operator; empty: everywhere.
std::vector<Check> CheckUp(const ClusterTarget& cluster, const std::string& operator_namespace);

}  // namespace pj::cli
