// Outputs of Azure YAML: declarations, a step's values, and which of the pipeline's outputs they
// are. Internal to the Azure front door.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/azure_inputs.h"
#include "api/azure_source.h"
#include "api/parallel_job.h"

namespace pj::api {

struct AzureOutput {
  Output output;
  AzureNode at;
  bool has_type = false;
  bool has_mode = false;
  std::string parent;  // the pipeline output that it is bound to; empty = none
};

using AzureOutputs = std::vector<std::pair<std::string, AzureOutput>>;

class AzureOutputReader {
 public:
  // `job`: what ${{name}} in a path stands for.
  AzureOutputReader(const AzureReporter& report, std::string job)
      : report_(report), job_(std::move(job)) {}

  // Of a pipeline, a component, or a file of its own.
  AzureOutputs ReadDeclarations(const AzureNode& at) const;
  // A step's outputs. `declared`: the component's, null for an inline step.
  AzureOutputs ReadStep(const AzureNode& at, const AzureOutputs* declared,
                        const AzureOutputs& parent, const AzureScope& scope) const;

 private:
  AzureOutput Read(const std::string& name, const AzureNode& at, const AzureOutputs* parent,
                   const AzureScope& scope) const;
  void ReadMapping(const std::string& name, const AzureNode& at, const AzureOutputs* parent,
                   const AzureScope& scope, AzureOutput* out) const;
  bool Bind(const AzureNode& at, const AzureOutputs* parent, AzureOutput* out) const;
  std::string FillPath(const AzureNode& at, const std::string& name, const AzureScope& scope) const;

  const AzureReporter& report_;
  std::string job_;
};

const AzureOutput* FindOutput(const AzureOutputs& outputs, const std::string& name);
std::vector<std::string_view> NamesOf(const AzureOutputs& outputs);

}  // namespace pj::api
