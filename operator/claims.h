// Claims: whether the volumes of a job's pods allow pods on more than one node.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/turn.h"

namespace pj::op {

// How many may mount a claim to write at a time.
enum class Sharing { kAnyNode, kOneNode, kOnePod };

// What is known of claims, for all jobs together: many jobs name the same claim, and Kubernetes
// lets nobody change a claim's access modes. Thread-safe.
class ClaimModes {
 public:
  std::optional<Sharing> Find(const std::string& ns, const std::string& name, Nanos now) const;
  void Keep(const std::string& ns, const std::string& name, Sharing sharing, Nanos now);

 private:
  struct Known {
    Sharing sharing = Sharing::kAnyNode;
    Nanos asked{0};
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Known> known_;
};

// The PersistentVolumeClaims that the job's pods mount, each once.
std::vector<std::string> ClaimsOf(const ParallelJobView& job);

// Asks for the job's claims, once, into turn->memory.claims; again as long as one is missing.
// Whether they fit the number of instances, which may change, is judged each time.
Status LookAtClaims(Turn* turn);

}  // namespace pj::op
