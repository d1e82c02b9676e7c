// The Azure front door: pipeline.yml and parallel component files into the same types as a
// manifest.
#pragma once

#include <string>
#include <vector>

#include "api/load.h"
#include "base/diagnostics.h"
#include "base/yaml_doc.h"

namespace pj::api {

// True for a document that is meant as Azure YAML: no apiVersion and no kind, but keys of Azure's
// (type, jobs, task, component, a $schema …).
bool LooksLikeAzure(const YamlNode& root);

// The jobs of one Azure document (read with YamlDialect::kPython), each checked by FinishJob
// (validate.h). Takes care of --input and --image; --set is applied afterwards by LoadJobFile.
std::vector<LoadedJob> LoadAzureFile(const YamlNode& root, const std::string& path,
                                     const LoadOptions& options, Diagnostics* out);

}  // namespace pj::api
