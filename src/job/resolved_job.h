// ResolvedJob: a validated job as the paths, words and formats of a run, on this machine or in a
// pod.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/parallel_job.h"

namespace pj::job {

struct ResolvedJob {
  std::map<std::string, std::string> inputs;       // name → absolute path, or a literal's text
  std::map<std::string, std::string> copied_from;  // name → path, of inputs in mode download
  std::map<std::string, std::string> outputs;      // name → absolute path
  std::vector<std::string> argv;                   // the script's own arguments
  std::string code_dir;
  std::string append_file;    // final path of the appended rows; empty = none
  std::string append_format;  // "", "text", "csv", "jsonl"
  bool append_header = false;
  bool count_rows = false;  // success policy
};

// All but a uri_file is a folder.
bool IsFolder(api::DataType type);

// The rest, once `inputs` and `outputs` hold their paths: arguments, appended file, success policy.
void ResolveTask(const api::ParallelJobSpec& spec, ResolvedJob* made);

}  // namespace pj::job
