// ClusterWorld: one seeded simulation of a whole cluster: API server, Kubernetes' own controllers,
// operators, worker pods, and a user who changes their mind.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/cluster/env.h"
#include "tests/sim/cluster/kubernetes.h"
#include "tests/sim/cluster/sim_job.h"
#include "tests/sim/cluster/sim_operator.h"
#include "tests/sim/cluster/user.h"
#include "tests/sim/cluster/write_checker.h"
#include "tests/sim/outcome.h"

namespace pj::sim {

// Not thread-safe. Run() once.
class ClusterWorld {
 public:
  ClusterWorld(ClusterScenario scenario, bool verbose);
  Outcome Run();

 private:
  void OnWrite(const SeenWrite& write);
  void Disturb();
  void TemptOperators();
  void Every(Nanos mean, const std::function<void()>& action);
  void RunUntil(const std::function<bool()>& reached, Nanos limit, const std::string& what);
  void CheckEvent();
  void CheckNoWrites(Nanos time, const std::string& when);
  void CheckNothingLeft();
  std::string Describe() const;

  Env env_;
  SimKubernetes kubernetes_;
  User user_;
  std::vector<std::unique_ptr<SimOperator>> operators_;
  WriteChecker writes_;
};

}  // namespace pj::sim
