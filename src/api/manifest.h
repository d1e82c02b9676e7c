// The manifest front door: one YAML document into a ParallelJob.
#pragma once

#include <string>

#include "api/parallel_job.h"
#include "api/places.h"
#include "base/diagnostics.h"
#include "base/yaml_doc.h"

namespace pj::api {

// Reads types, names and shapes; ranges and everything across fields are FinishJob's work. `places`
// learns where each setting stands. Relative paths get `base_dir`.
ParallelJob ReadManifest(const YamlNode& root, const std::string& base_dir, Places* places,
                         Diagnostics* out);

}  // namespace pj::api
