// OperatorApi: the API server as an operator's process sees it: requests take time, in which others
// act; they are lost, or their answers; the process dies before or after a write, or hangs at it.
#pragma once

#include <memory>
#include <string>

#include "tests/sim/cluster/env.h"

namespace pj::sim {

// Not thread-safe.
class OperatorApi : public kube::Api {
 public:
  OperatorApi(Env* env, const std::string& identity)
      : env_(env), server_(env, identity, true), calm_(env, identity, false) {}

  Result<kube::Response> Do(const kube::Request& request) override;
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override;

  void Die() { dead_ = true; }
  bool dead() const { return dead_; }
  bool paused() const { return paused_; }
  // Requests take no time and meet no fault.
  void SetPerfect(bool perfect) { perfect_ = perfect; }
  bool perfect() const { return perfect_; }
  Env* env() { return env_; }

 private:
  void Pass(const kube::Request& request);

  Env* env_;
  ActorApi server_;
  ActorApi calm_;
  bool dead_ = false;
  bool paused_ = false;
  bool perfect_ = false;
};

}  // namespace pj::sim
