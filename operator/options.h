// Options of the operator's reconciler: what its flags set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace pj::op {

inline constexpr char kManagedBy[] = "paralleljob.dev/operator";
// Label of all that it makes.
inline constexpr char kManagerLabel[] = "app.kubernetes.io/managed-by";
inline constexpr char kManagerName[] = "paralleljob-operator";

struct OperatorOptions {
  std::string worker_image = "paralleljob-worker:latest";  // our image: agent, install, finaliser
  std::string image_pull_policy = {};                      // of both containers; empty: the default
  std::vector<std::string> image_pull_secrets = {};        // names; beside those of a podTemplate
  int64_t run_as_user = 65532;
  int64_t fs_group = 65532;
  int64_t toleration_seconds = 30;  // of nodes that are not ready or unreachable
  std::string agent_cpu = "50m";    // requests of the agent's container
  std::string agent_memory = "64Mi";
  std::string agent_memory_limit = "512Mi";
  std::string log_format = "text";         // of the agents, as of the operator
  Nanos status_interval{Seconds(5)};       // at most one status write a job in it
  double status_writes_per_second = 20;    // of all jobs together
  double cluster_writes_per_second = 200;  // of all agents together: sets their tick
  Nanos tick{0};                           // unless this is set: then of every job
  Nanos drain_grace{Seconds(40)};  // after it a suspended job's pods are stopped, drained or not
  bool kueue = false;              // Workloads of suspended jobs are set inactive
};

}  // namespace pj::op
