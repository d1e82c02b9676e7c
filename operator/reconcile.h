// Reconciler: brings one ParallelJob's objects from what they are to what they should be. Level
// triggered: it looks at what is, never at what has happened.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "operator/claims.h"
#include "operator/decision.h"
#include "operator/pace.h"
#include "operator/turn.h"
#include "operator/world.h"

namespace pj::op {

// What a turn left behind, for metrics.
struct JobStanding {
  std::string state;  // as status.state
  uint64_t mini_batches_done = 0;
  uint64_t mini_batches_failed = 0;
};

// Lists of Events, of all stuck jobs together: a thousand that wait for the same quota are told why
// one after the other.
inline constexpr double kEventListsPerSecond = 5;

struct ReconcilerOptions {
  kube::Api* api = nullptr;
  WorldReader* reader = nullptr;
  const Clock* clock = nullptr;  // null: SystemClock()
  OperatorOptions job;
  Writer::Wrote wrote;  // see Writer
};

// Thread-safe as long as no two threads reconcile one key at a time (the work queue sees to it).
// The Api, reader and clock live longer.
class Reconciler {
 public:
  explicit Reconciler(ReconcilerOptions options);

  // Returns after how long to look again without any event; kNever when there is no need. An error
  // means: again, after a back-off. A server that is too busy and says until when is no error.
  // `hurry`: of a job without a Job only what that needs, since others wait for theirs; at once
  // again, then.
  Result<Nanos> Reconcile(const JobKey& key, bool hurry = false);

  // A turn has seen the job before.
  bool Knows(const JobKey& key) const;
  // Of the job of that name as a turn last saw it; empty when it is not known, or gone.
  std::string UidOf(const JobKey& key) const;

  // How each known job stands, by key.
  std::map<JobKey, JobStanding> Standing() const;

 private:
  struct Memory {
    JobMemory job;
    JobStanding standing;
  };

  Result<Nanos> TakeTurn(const JobKey& key, Writer* writer, bool hurry);
  Result<Nanos> SeeToLeftovers(const JobKey& key, const std::optional<JobWorld>& world,
                               Writer* writer);
  Memory& Remember(const ParallelJobView& job);
  void Forget(const JobKey& key);
  int64_t CountPods(const JobWorld& world, JobMemory* memory);
  Status WriteStatus(Turn* turn, const Decision& decision, JobStanding* standing);
  bool MayWriteStatus(Turn* turn);
  Status NoteGeneration(Turn* turn);
  Status PutStatus(Turn* turn, const std::string& status_json);
  // Of a job that had ended before this process began: as its status says.
  void RecallStanding(const JobWorld& world, JobStanding* standing);

  const ReconcilerOptions options_;
  const Clock& clock_;
  ClaimModes modes_;
  Pace event_lists_{kEventListsPerSecond};
  Pace status_writes_;
  mutable std::mutex mutex_;         // guards what follows
  std::map<JobKey, Memory> memory_;  // entries stay where they are
  int64_t all_pods_ = 0;
};

}  // namespace pj::op
