#include "tests/sim/cluster/env.h"

#include <utility>

namespace pj::sim {

Env::Env(ClusterScenario s, bool verbose) : scenario(std::move(s)), time(scenario.seed, verbose) {
  kube::MemoryApiOptions options;
  options.uid_seed = scenario.seed + 1;
  options.clock = &time.clock();
  memory = std::move(*kube::MemoryApi::Open(std::move(options)));
  memory->SetFaultHook([this](const kube::Request& request) {
    if (!server_faults || !Chaos() || !time.Chance(scenario.fault / 4)) return kube::Fault::kNone;
    const bool write = request.verb != kube::Verb::kGet && request.verb != kube::Verb::kList;
    const uint64_t kind = time.Pick(3);
    if (kind == 0) return write ? kube::Fault::kConflict : kube::Fault::kNone;
    return kind == 1 ? kube::Fault::kTooMany : kube::Fault::kServerError;
  });
}

Result<kube::Response> ActorApi::Do(const kube::Request& request) {
  env_->server_faults = faults_;
  const uint64_t before = env_->memory->Writes();
  Result<kube::Response> response = env_->memory->Do(request);
  env_->server_faults = false;
  if (!response || !response->ok() || env_->memory->Writes() == before) return response;
  const SeenWrite seen{actor_, request, *response, ++env_->writes};
  for (const auto& watcher : env_->watchers) watcher(seen);
  return response;
}

}  // namespace pj::sim
