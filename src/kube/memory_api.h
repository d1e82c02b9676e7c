// MemoryApi: an embedded API server with the real one's semantics, for local runs and simulation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "kube/api.h"

namespace pj::kube {

// What a test or the simulator does to one request. Called before anything happens.
enum class Fault {
  kNone,
  kLoseRequest,   // never arrives: the caller gets kUnavailable, nothing changed
  kLoseResponse,  // carried out, but the caller gets kUnavailable
  kConflict,      // 409 although the version was right
  kTooMany,       // 429 with Retry-After: 1
  kServerError,   // 500
};
using FaultHook = std::function<Fault(const Request&)>;

struct MemoryApiOptions {
  // File of the SQLite store (WAL, synchronous=FULL, one transaction per write); empty = memory
  // only.
  std::string state_file = {};
  uint64_t uid_seed = 0;         // 0: UIDs from the system's randomness
  const Clock* clock = nullptr;  // null: SystemClock()
  size_t watch_history = 1024;   // events kept before a watch from an old version gets 410
};

// Thread-safe. With a state file, everything acknowledged survives SIGKILL; opening it again goes
// on.
class MemoryApi : public Api {
 public:
  static Result<std::unique_ptr<MemoryApi>> Open(MemoryApiOptions options);
  virtual void SetFaultHook(FaultHook hook) = 0;
  // Expires the watch history up to now: older watches get 410 (as etcd's compaction does).
  virtual void Compact() = 0;
  // Number of committed write transactions (for benchmarks).
  virtual uint64_t Writes() const = 0;
};

}  // namespace pj::kube
