// Checks of what a manifest holds of Kubernetes' own types: names, labels, volume sources, the
// allowed part of a pod. Internal to src/api.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/parallel_job.h"
#include "base/result.h"

namespace pj::api {

// [a-z0-9] and '-' inside, at most `limit` characters.
bool IsDnsLabel(std::string_view name, size_t limit);
// What is wrong with a label's key or value; empty if nothing.
std::string LabelProblem(const std::string& key, const std::string& value);
// A volume source with exactly one allowed kind in it; `also` names keys that may stand beside it.
Status CheckVolume(const KubeJson& json, const std::vector<std::string_view>& also = {});
// Only the curated keys, only allowed volumes.
std::vector<Error> CheckPodTemplate(const KubeJson& json);

}  // namespace pj::api
