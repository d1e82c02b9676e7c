// The environment of a task in Azure YAML. Internal to the Azure front door.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/azure_inputs.h"
#include "api/azure_source.h"
#include "api/parallel_job.h"

namespace pj::api {

// --image of the command line, and which of them were used.
class AzureImages {
 public:
  // `when_registered`: what a reference is that only a workspace knows, where none was given.
  AzureImages(const std::map<std::string, std::string>& given, Severity when_registered)
      : registered(when_registered), given_(given) {}
  // The image for a reference ("azureml:name:version", with or without azureml: and version) or an
  // owner (step, job); null if none was given.
  const std::string* Take(const std::string& reference, const std::vector<std::string>& owners);
  std::vector<std::string> Unused() const;

  const Severity registered;

 private:
  const std::map<std::string, std::string>& given_;
  std::set<std::string> used_;
};

struct AzureEnvironmentPlace {
  AzureNode at;
  const AzureScope* scope = nullptr;
  std::vector<std::string> owners;  // names of step and job
};

Environment ReadAzureEnvironment(const AzureReporter& report, const AzureEnvironmentPlace& place,
                                 AzureImages* images);

}  // namespace pj::api
