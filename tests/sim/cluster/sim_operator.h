// SimOperator: one replica of the operator: the production reconciler, caches, reflectors and
// leader election in one thread and virtual time, with a process around them that can die, hang and
// start again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/world.h"
#include "tests/sim/cluster/env.h"

namespace pj::sim {

// Not thread-safe. Lives as long as the Env.
class SimOperator {
 public:
  SimOperator(Env* env, int replica);
  ~SimOperator();

  void Watch();  // from now on there is a process: a died one is started again after a while
  void Kill();
  void OnWrite(const SeenWrite& write);
  bool Leads() const;
  // Of the process of that identity: the number of writes when its turn began that now writes;
  // nothing if that is no process of this replica.
  std::optional<uint64_t> TurnBegan(const std::string& identity) const;

 private:
  class Process;
  void Start();

  Env* env_;
  int replica_;
  int starts_ = 0;
  std::vector<std::unique_ptr<Process>> processes_;  // the last one may live
};

}  // namespace pj::sim
