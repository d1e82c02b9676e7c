// Manager: the running operator: caches, queue, turns, leadership, health. main.cc fills its
// options.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kube/api.h"
#include "operator/options.h"

namespace pj::op {

struct ManagerOptions {
  OperatorOptions job;
  std::string watch_namespace = {};  // empty: all
  bool leader_elect = false;
  std::string lease_namespace = "default";
  std::string identity = {};  // of this process, in the election
  std::string health_address = ":8080";
  std::function<void(int)> serving = {};  // told that address's port, before anything else starts
  // A turn that takes longer hangs, and when for so long none begins though jobs wait, nobody takes
  // turns any more: /healthz says so.
  Nanos longest_turn = Seconds(900);
  int workers = 8;  // turns at a time: they mostly wait for the API server
};

// The name of the Lease of whoever leads.
inline constexpr char kLeaderLease[] = "paralleljob-operator";
inline constexpr int kExitLost = 4;  // of a process that led and lost the lead

// Runs until `stop_fd` (an eventfd or signalfd) can be read; turns that run then are finished. A
// process that loses the lead ends at once, with kExitLost. The Api lives longer.
Status RunManager(kube::Api* api, const ManagerOptions& options, int stop_fd);

}  // namespace pj::op
