// PodConfig: what a worker pod's containers are told by their environment, and where things lie in
// it (job/pod_contract.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "job/job_objects.h"
#include "job/pod_contract.h"

namespace pj::worker {

struct PodConfig {
  job::JobObjects objects;
  uint32_t ordinal = 0;
  std::string pod_name;
  std::string pod_uid;
  std::string pod_ip;
  uint32_t gpus = 0;

  // As in reports and for entry scripts; the same as of a local run, so that both compare.
  std::string Node() const;
};

// `lookup` gives an environment variable's value, or "". An error names the variable.
Result<PodConfig> ReadPodConfig(const std::function<std::string(const char*)>& lookup);

// "<pod UID>/<nonce>": the holder of Leases, unique for each start of an agent or finaliser.
std::string NewIncarnation(const PodConfig& config);

// Folders of the pod; tests put them elsewhere.
struct PodFolders {
  std::string run = job::kRunDir;
  std::string code = job::kCodeDir;
  std::string inputs = job::kInputsDir;
  std::string outputs = job::kOutputsDir;
  std::string segments = job::kSegmentsDir;
  std::string logs = job::kLogsDir;
  std::string plans = job::kPlansDir;
  std::string manifest = job::kManifestFile;
  std::string tmp = job::kTmpDir;
};

}  // namespace pj::worker
