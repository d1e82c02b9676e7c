// ClusterForm: a job of this machine as pods can run it: local code and inputs become ConfigMaps.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/load.h"
#include "base/diagnostics.h"
#include "cli/commands.h"
#include "kube/objects.h"

namespace pj::cli {

struct ClusterFormOptions {
  std::string file;                            // the job file, for relative paths
  std::map<std::string, std::string> outputs;  // --output NAME=pvc:CLAIM/path
  std::vector<std::string> exclude;            // never packed
  std::vector<std::string> replaced_inputs;    // of LoadedJob: data, wherever it is read from
  // --image was given: it stands for the whole environment, Conda file and pip included.
  bool image_given = false;
  std::string image_name;  // the NAME of --image NAME=REF that means this job
  std::string typed;       // the command line, for a message that says what to type instead
};

struct ClusterForm {
  api::ParallelJob job;
  std::vector<kube::ConfigMap> maps;
  // Files that only `kubectl apply --server-side` takes.
  std::vector<std::string> oversized;
  // What was packed as code; 0: the code is not of this machine.
  size_t code_files = 0;
  uint64_t code_bytes = 0;
};

// "code: 2 files, 1.4 kB"; empty where none was packed.
std::string CodeText(const ClusterForm& form);

// The part of the options that a command's own options decide.
ClusterFormOptions FormOptions(const FileOptions& file, const api::LoadedJob& loaded);

// What does not fit, and what the job still lacks for a cluster (an image, volumes), are findings;
// the form is meaningful only without errors.
ClusterForm ToClusterForm(api::ParallelJob job, const ClusterFormOptions& options,
                          Diagnostics* out);

}  // namespace pj::cli
