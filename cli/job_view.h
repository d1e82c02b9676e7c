// JobView: a ParallelJob of a cluster as the command line shows it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "job/volumes.h"
#include "kube/api.h"
#include "ledger/record.h"

namespace pj::cli {

struct JobCounts {
  uint64_t total = 0;
  uint64_t succeeded = 0;
  uint64_t failed = 0;
};

struct JobView {
  std::string name;
  std::string ns;
  ledger::JobIdentity identity;
  std::string state;   // Pending (also when no operator has looked yet), Running, Complete …
  std::string reason;  // CamelCase; of the condition that says most
  std::string message;
  bool planned = false;
  JobCounts mini_batches;
  JobCounts items;
  uint64_t retries = 0;
  int64_t instances = 1;  // of the spec
  int64_t workers_wanted = 0;
  int64_t workers_ready = 0;
  std::string progress;  // "40%"
  std::string duration;  // "3m10s"
  std::string rate;      // "12.3/s"
  std::string eta;
  std::map<std::string, std::string> outputs;     // as the pods see them
  std::map<std::string, job::ClaimPlace> places;  // of those that lie on claims
  struct ErrorGroup {
    uint64_t count = 0;
    std::string message;
    std::vector<uint64_t> mini_batches;
    std::string log;
  };
  std::vector<ErrorGroup> errors;
  bool complete = false;
  bool failed = false;
  bool stalled = false;  // nothing goes on until a person acts; also of a failed job
  bool seen = false;     // an operator has written a status

  bool Ended() const { return complete || failed; }
};

JobView ViewOf(const nlohmann::ordered_json& object);
// What -o json prints.
nlohmann::ordered_json ToJson(const JobView& job);
Result<JobView> GetJob(kube::Api* api, const std::string& ns, const std::string& name);

// "120/500 mini-batches · 12.3/s · ETA 3m · 2 failed · 3 retries · 2/2 workers"
std::string ProgressText(const JobView& job);
// Where each output lies, a line each, as claim and path where that is known.
std::string OutputsText(const JobView& job);
std::string FetchHint(const JobView& job);
// The job's errors, a line each; empty without any.
std::string ErrorsText(const JobView& job);
std::string NoErrorsText(const JobView& job);
// kNotFound names those that there are. Anything goes of a job without a plan, and below 0: none
// was asked for.
Status MiniBatchIsThere(const JobView& job, int64_t mini_batch);

}  // namespace pj::cli
