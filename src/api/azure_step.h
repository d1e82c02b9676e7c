// One parallel step of Azure YAML, or a file of its own, into a ParallelJob. Internal to the Azure
// front door.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "api/azure_environment.h"
#include "api/azure_inputs.h"
#include "api/azure_outputs.h"
#include "api/azure_source.h"
#include "api/load.h"
#include "api/parallel_job.h"
#include "api/places.h"

namespace pj::api {

// What a step is read from. Each of the step's own keys stands before the component's.
struct AzureStep {
  AzureNode step;
  AzureNode component;  // empty: an inline step, or a file of its own
  std::string name;     // empty: a file of its own
  const AzureInputs* parent_inputs = nullptr;
  const AzureOutputs* parent_outputs = nullptr;
};

// What all steps of a file share.
struct AzureShared {
  const AzureReporter& report;
  AzureOverrides& overrides;
  AzureImages& images;
  Places& places;
  std::string job_name;
};

// Not thread-safe; one step each.
class AzureStepReader {
 public:
  AzureStepReader(const AzureShared& shared, const AzureStep& step);

  // Everything but name and annotations. Whatever is wrong was reported.
  ParallelJobSpec Read();
  // Pipeline output → output of this step.
  const std::map<std::string, std::string>& bound_outputs() const { return bound_outputs_; }
  // The names that --input may use for this step.
  const AzureInputs& inputs() const { return inputs_; }

 private:
  AzureNode Key(std::string_view key) const;
  AzureNode Resolved(const AzureNode& at);
  void Place(const std::string& path, const AzureNode& at);

  void CheckKeys() const;
  void ReadInputs();
  void ReadOutputs();
  void AddInputs();
  void AddInput(const std::string& name, const AzureInput& input);
  void AddOutputs();
  void ReadIntegers();
  void Integer(const AzureNode& at, const std::string& path);
  void ReadInputData();
  void MajorInput(const AzureNode& at);
  void ReadSplit();
  void ReadMiniBatchSize(const AzureNode& at);
  void FitUnit(const AzureNode& at, MiniBatchSize size);
  void ReadResources();
  void ReadSharedMemory(const AzureNode& at);
  void ReadVariables();
  void ReadTask();
  void ReadTaskType(const AzureNode& at);
  void ReadCode(const AzureNode& at);
  void ReadArguments(const AzureNode& at);
  void DropEmptyGroups(std::string* text) const;
  void ReplaceParentBindings(const AzureNode& at, std::string* text);
  std::string ArgumentBinding(const AzureNode& at, size_t offset, const std::string& path);
  std::string AddParentInput(const std::string& name, const AzureInput& input);
  void ReadAppendRowTo(const AzureNode& at);

  const AzureReporter& report_;
  const AzureShared& shared_;
  const AzureStep& step_;
  AzureScope scope_;
  AzureInputs inputs_;
  AzureOutputs outputs_;
  std::map<std::string, std::string> bound_outputs_;
  std::deque<YamlNode> resolved_;  // nodes whose bindings were replaced
  ParallelJobSpec spec_;
};

}  // namespace pj::api
