// GitopsFolder: a job as files that `kubectl apply -k`, Argo CD and Flux take.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster_form.h"

namespace pj::cli {

// Writes kustomization.yaml, the ParallelJob and its ConfigMaps, a file each; returns the files'
// names. Same form, same bytes. Files that an earlier call left and this one does not need are
// removed; a folder whose kustomization.yaml is not ours is refused.
Result<std::vector<std::string>> WriteGitopsFolder(const ClusterForm& form, const std::string& dir);

// A ConfigMap as YAML, text as literal blocks.
std::string ToYaml(const kube::ConfigMap& map);

}  // namespace pj::cli
