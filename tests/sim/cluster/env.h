// Env: what the parts of the cluster simulation share: time, the API server, what the seed decides,
// and everybody who wants to see each write.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kube/memory_api.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/timeline.h"

namespace pj::sim {

inline constexpr char kNs[] = "team";
inline constexpr char kOperatorNs[] = "operators";  // of their Lease
inline constexpr Nanos kTick = Seconds(5);          // the operator's shortest, so of all jobs here

// A write that was carried out. `actor`: "user", "kubernetes", "agents", or an operator's identity.
struct SeenWrite {
  const std::string& actor;
  const kube::Request& request;
  const kube::Response& response;
  uint64_t number = 0;  // of all writes
};

struct Env {
  Env(ClusterScenario s, bool verbose);

  bool Chaos() const { return time.Now() < scenario.chaos; }
  bool Faulty() { return Chaos() && time.Chance(scenario.fault); }
  void Violate(const std::string& what) {
    if (violation.empty()) violation = what;
  }

  const ClusterScenario scenario;
  Timeline time;
  std::unique_ptr<kube::MemoryApi> memory;
  bool server_faults = false;              // the request under way may meet one
  std::function<void()> on_pause = [] {};  // an operator hangs, and another will soon lead
  uint64_t writes = 0;
  std::string violation;  // empty: all invariants held
  std::vector<std::function<void(const SeenWrite&)>> watchers;
};

// The API server as one actor sees it. With `faults` the server answers some requests badly.
class ActorApi : public kube::Api {
 public:
  ActorApi(Env* env, std::string actor, bool faults)
      : env_(env), actor_(std::move(actor)), faults_(faults) {}

  Result<kube::Response> Do(const kube::Request& request) override;
  Result<std::unique_ptr<kube::Watch>> OpenWatch(const kube::WatchRequest& request) override {
    return env_->memory->OpenWatch(request);
  }

 private:
  Env* env_;
  const std::string actor_;
  const bool faults_;
};

}  // namespace pj::sim
