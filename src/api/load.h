// LoadJobFile: the front door for both kinds of job file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/parallel_job.h"
#include "base/diagnostics.h"
#include "base/result.h"

namespace pj::api {

// What the command line may change before validation.
struct LoadOptions {
  std::map<std::string, std::string> input_paths;  // --input NAME=PATH
  std::map<std::string, std::string> images;       // --image NAME=REF
  std::vector<std::string> set;                    // --set spec.field=value
  bool strict = false;                             // warnings become errors
  // What an environment is that only a workspace of Azure knows, and no --image replaces.
  Severity registered_environment = Severity::kWarning;
  bool check_files = true;  // entry script, code folder, component files exist
};

struct LoadedJob {
  ParallelJob job;
  bool from_azure = false;  // came from a pipeline.yml or a bare parallel file
  std::string step;         // Azure pipeline: the step's name, else empty
  // Azure pipeline: pipeline output name → this job's output name.
  std::map<std::string, std::string> pipeline_outputs;
  // Where the file says that inputs lie on this machine for which --input names other places.
  std::vector<std::string> replaced_inputs;
  // Field ("spec.inputs[NAME].path") → where it stands in the file, as an error there: of those
  // that checks of what is on this machine name.
  std::map<std::string, Diagnostic> places;

  // An error at a field; without its place where that is not known.
  Diagnostic At(const std::string& field) const {
    const auto found = places.find(field);
    if (found != places.end()) return found->second;
    Diagnostic out;
    out.field = field;
    return out;
  }
};

// Parses and validates `path`. All findings go to `out`; the jobs are meaningful only if it has no
// errors. A manifest file may hold several documents.
std::vector<LoadedJob> LoadJobFile(const std::string& path, const LoadOptions& options,
                                   Diagnostics* out);

// The manifest as YAML; parse(ToManifest(x)) == x. Same job, same bytes.
std::string ToManifest(const ParallelJob& job);

// The same as compact JSON: what an API server stores.
std::string ToManifestJson(const ParallelJob& job);
// A job out of the JSON of a stored object; of its metadata only the name. Relative paths stay
// relative to a folder that the object does not know.
Result<ParallelJob> FromStoredJson(std::string_view json);
// The same after all checks of a job file, and whether it can run in a cluster. Findings go to
// `out`; the job is meaningful only if it has no errors.
ParallelJob LoadStoredJob(std::string_view json, Diagnostics* out);

// Runtime flags (--error_threshold …) taken out of programArguments and applied to `spec` (origin
// kFlag); returns the words that reach the script, bindings not yet resolved. `file` and `line`
// are for messages.
std::vector<std::string> SplitProgramArguments(const std::string& text, ParallelJobSpec* spec,
                                               const Diagnostic& place, Diagnostics* out);

// Replaces ${{inputs.x}} and ${{outputs.x}} in `words` by `values` ("inputs.x" → path or literal),
// and drops an optional group $[[…]] whose binding has no value.
std::vector<std::string> BindArguments(const std::vector<std::string>& words,
                                       const std::map<std::string, std::string>& values);

}  // namespace pj::api
