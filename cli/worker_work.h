// WorkerWork: what each worker of a cluster's job does, by its Lease and its shards.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/job_view.h"
#include "cli/pod_logs.h"
#include "job/job_objects.h"

namespace pj::cli {

struct WorkerWork {
  // What its Lease says: of the last time that it was written, which a busy worker seldom does.
  std::optional<job::WorkerState> state;
  bool released = false;  // it holds its Lease no more: it has drained, or the job has ended
  std::optional<uint64_t>
      done;            // mini-batches of its shards; nothing where those may not be listed
  bool moves = false;  // somebody has worked on one of its shards
};

// By instance. Of a worker without a Lease and shards there is nothing.
Result<std::map<int64_t, WorkerWork>> WorkOf(kube::Api* api, const JobView& job);

// One word for people: the pod's phase, or what runs in it. `work` may be null.
std::string Doing(const WorkerPod& pod, const WorkerWork* work);

}  // namespace pj::cli
