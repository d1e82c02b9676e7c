// Names of jobs made from Azure YAML. Internal to the Azure front door.
#pragma once

#include <string>
#include <string_view>

namespace pj::api {

// Lower case, other characters to '-', at most 40; "job" if nothing is left.
std::string KubernetesName(std::string_view text);
// What a file is called by: its base name, of pipeline.yml its folder's.
std::string NameOfFile(const std::string& path);

}  // namespace pj::api
