// Overrides: what --set, --input and --image change before validation. Internal to src/api.
#pragma once

#include <set>
#include <string>

#include "api/load.h"
#include "base/yaml_doc.h"

namespace pj::api {

// spec.field=value, spec.inputs[NAME].path=value, spec.list[0]=value; a value in [ ], { } or quotes
// is read as YAML, any other as one plain scalar. Changes the tree of a manifest.
void ApplySet(const std::string& assignment, YamlNode* root, Diagnostics* out);

// --input NAME=PATH (on a cluster also pvc:CLAIM/path) and --image NAME=REF (NAME: the reference
// that it replaces, or the job's name). Names that were of use are added to `used`; local paths
// that lose their place are kept in `replaced_inputs`.
void ApplyInputsAndImages(const LoadOptions& options, LoadedJob* loaded,
                          std::set<std::string>* used);

// Errors for names of --input and --image that no job of the file has.
void ReportUnusedOverrides(const LoadOptions& options, const std::set<std::string>& used,
                           const std::vector<LoadedJob>& jobs, Diagnostics* out);

}  // namespace pj::api
