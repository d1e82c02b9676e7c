// Turn: one reconcile of one job: what is known, what is remembered, and how to act. Every policy
// takes it.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "operator/options.h"
#include "operator/world.h"
#include "operator/writer.h"
#include "policy/verdict.h"

namespace pj::op {

inline constexpr Nanos kNever = Nanos::max();

// What is known of the claims that a job's pods mount; see claims.h.
struct Claims {
  bool one_node = false;     // one of them may be mounted by one node at a time
  std::string one_pod = {};  // the name of one that one pod at a time may mount; empty: none
  bool missing = false;      // one of them is not there yet: no pods before
  std::string reason = {};
  std::string message = {};  // for people; with `reason`, or both empty
  Nanos asked{0};
};

// Something that keeps pods from being there or from starting, of which only Events tell the cause;
// see stuck.h.
struct Stuck {
  std::string uid;  // of the Job without pods, or of the pod
  Nanos ask_at{0};
  bool granted = false;  // that moment is of the pace of all jobs
  Nanos pause{0};        // until it is asked again: ever longer
  std::string reason;    // of the Event; empty: none told
  std::string message;   // for people
};

// What Kueue is to know of a Job that one of its queues owns; see kueue.h.
struct QueueWord {
  std::string uid;     // of the Job
  bool stop = false;   // no pods are wanted
  bool known = false;  // the Workload says the same
  Nanos ask_at{0};
  Nanos pause{0};       // until it is asked again: ever longer
  std::string reason;   // why the Workload says something else; empty: not known
  std::string message;  // for people
};

// What the operator remembers of a job between two turns. All of it may be lost: a new process
// starts the clocks again, which delays a timeout and decides nothing wrongly.
struct JobMemory {
  std::string uid;
  std::optional<Nanos> permissions_made;
  std::optional<Claims> claims;
  std::optional<Stuck> stuck;
  std::optional<QueueWord> queue;
  std::optional<policy::Watchdog> watchdog;
  // By Lease name: its worker's last sign of life, seen on our monotonic clock (no other clock is
  // trusted).
  struct Seen {
    std::string sign;
    Nanos at{0};
  };
  std::map<std::string, Seen> leases;
  std::optional<Nanos> draining_since;
  std::optional<Nanos> decided_since;  // the verdict is known, `result` is not there yet
  std::optional<Nanos> result_since;
  // Since when workers run under our eyes, and what was done by then: rate and time left.
  struct CountedFrom {
    Nanos at{0};
    uint64_t done = 0;
  };
  std::optional<CountedFrom> counted_from;
  std::optional<Nanos> status_written;
  std::optional<Nanos> status_granted;  // a moment of the pace of all jobs
  std::optional<Nanos> hints_written;   // into the control object
  std::set<std::string> told;           // events
  std::set<uint64_t> failures_told;
  int64_t pods_wanted = 0;  // counts against the cluster's budget
};

class ClaimModes;  // claims.h
class Pace;        // pace.h

struct Turn {
  const JobWorld& world;
  JobMemory& memory;
  Writer& writer;
  ClaimModes& modes;
  Pace& event_lists;  // of all jobs together
  const OperatorOptions& options;
  const Clock& clock;
  bool first = false;    // this turn made the control object, which every other child comes after
  int64_t all_pods = 0;  // wanted by all running jobs together
  Nanos next = kNever;   // when to look again, without any event
  std::optional<Error> refused;  // the API server's no to something that the job needs

  Nanos now() const { return clock.Monotonic(); }
  const ParallelJobView& job() const { return world.job; }
  const api::ParallelJobSpec& spec() const { return world.job.job.spec; }
  void WakeIn(Nanos delay) { next = std::min(next, std::max(delay, Nanos(Millis(1)))); }
};

}  // namespace pj::op
