// Flags: the command line of paralleljob-operator. The chart's values have the same names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "operator/manager.h"

namespace pj::op {

struct Flags {
  ManagerOptions manager;
  std::string kubeconfig;
  std::string context;
  std::string log_level = "info";
  int64_t drain_seconds = 40;
  bool check = false;        // say whether the account may do all that is needed, then end
  bool permissions = false;  // print what that is, then end
};

// True: `flags` are filled. False: the program is to end with `*exit_code`; what there was to say
// (help, version, a wrong flag) is said.
bool ParseFlags(int argc, char** argv, Flags* flags, int* exit_code);

}  // namespace pj::op
