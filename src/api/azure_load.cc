#include "api/azure.h"

namespace pj::api {

bool LooksLikeAzure(const YamlNode& root) {
  if (root.kind != YamlNode::Kind::kMapping) return false;
  if (root.Find("apiVersion") != nullptr || root.Find("kind") != nullptr) return false;
  for (const char* key : {"$schema", "type", "jobs", "task", "component", "input_data"}) {
    if (root.Find(key) != nullptr) return true;
  }
  return false;
}

std::vector<LoadedJob> LoadAzureFile(const YamlNode& root, const std::string& path,
                                     const LoadOptions&, Diagnostics* out) {
  Diagnostic d;
  d.file = path;
  d.line = root.line;
  d.column = root.column;
  d.message = "Azure YAML is not supported yet";
  d.hint = "write a ParallelJob manifest";
  out->Add(std::move(d));
  return {};
}

}  // namespace pj::api
