// Inputs of Azure YAML: declarations, values, and what bindings to them mean. Internal to the Azure
// front door.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/azure_source.h"
#include "api/load.h"
#include "api/parallel_job.h"

namespace pj::api {

// One input: what was declared and the value that it got.
struct AzureInput {
  enum class Kind { kUnset, kLiteral, kData };
  Kind kind = Kind::kUnset;
  AzureNode at;           // where it stands
  YamlNode literal;       // kLiteral: the scalar that it came from, so that it keeps its type
  std::string dir;        // folder that a path in it counts from
  Input data;             // kData
  bool has_type = false;  // kData: a data type was written
  std::string declared;   // "string", "number", "integer", "boolean", a data type, or empty
  bool optional = false;
  bool broken = false;  // why it has no value was reported
  std::string option;   // what --input calls it

  // The literal as Python's str() writes it.
  std::string Text() const;
};

// In the order of the file.
class AzureInputs {
 public:
  AzureInput* Find(const std::string& name);
  const AzureInput* Find(const std::string& name) const;
  void Add(std::string name, AzureInput input);
  std::vector<std::string_view> Names() const;
  const std::vector<std::pair<std::string, AzureInput>>& all() const { return all_; }
  std::vector<std::pair<std::string, AzureInput>>& all() { return all_; }

 private:
  std::vector<std::pair<std::string, AzureInput>> all_;
};

// What the bindings of a place may refer to; null = nothing of that kind.
struct AzureScope {
  const AzureInputs* parent_inputs = nullptr;  // ${{parent.inputs.x}}
  const AzureInputs* inputs = nullptr;         // ${{inputs.x}}
  std::vector<std::string_view> parent_outputs = {};
  std::vector<std::string_view> outputs = {};
};

// --input of the command line, and which of them were used.
class AzureOverrides {
 public:
  explicit AzureOverrides(const std::map<std::string, std::string>& given) : given_(given) {}
  const std::string* Take(const std::string& name);
  std::vector<std::string> Unused() const;
  // A local path of the file that lost its place to one of them.
  void Replaced(std::string path) { replaced_.push_back(std::move(path)); }
  const std::vector<std::string>& replaced() const { return replaced_; }

 private:
  std::vector<std::string> replaced_;
  const std::map<std::string, std::string>& given_;
  std::map<std::string, bool> used_;
};

class AzureInputReader {
 public:
  AzureInputReader(const AzureReporter& report, AzureOverrides* overrides)
      : report_(report), overrides_(*overrides) {}

  // The inputs of a pipeline or of a file of its own: declarations and values in one.
  AzureInputs ReadRoot(const AzureNode& at);
  // A component's declarations.
  AzureInputs ReadDeclarations(const AzureNode& at);
  // A step's values for `declared` (null: an inline step, which declares by giving).
  AzureInputs ReadStep(const AzureNode& at, const AzureInputs* declared, const AzureScope& scope,
                       const std::string& step);

 private:
  AzureInput ReadDeclared(const AzureNode& at);
  AzureInput ReadValue(const AzureNode& at, const AzureScope& scope);
  AzureInput ReadData(const AzureNode& at, const AzureScope& scope);
  AzureInput FromBinding(const AzureNode& at, const AzureScope& scope, const std::string& path);
  void SetPath(const AzureNode& at, const AzureScope& scope, AzureInput* input);
  AzureInput Combine(const AzureInput& declared, AzureInput given);
  void Override(const std::string& option, AzureInput* input);
  void CheckLiteral(const AzureNode& declaration, const AzureInput& input);
  bool CheckType(const AzureInput& input);
  void CheckRange(const AzureNode& declaration, const AzureInput& input);

  const AzureReporter& report_;
  AzureOverrides& overrides_;
};

// `at` with every ${{…}} in its scalar replaced by the literal that it stands for; a scalar that is
// one binding takes over the literal's type. Nothing after a report.
std::optional<YamlNode> ResolveBindings(const AzureReporter& report, const AzureNode& at,
                                        const AzureScope& scope);
// Reports bindings below `at` that name nothing (for keys that have no effect).
void CheckBindings(const AzureReporter& report, const AzureNode& at, const AzureScope& scope);
// The input behind "parent.inputs.x" or "inputs.x"; reports what is wrong with it at `offset`.
const AzureInput* LookUpInput(const AzureReporter& report, const AzureNode& at, size_t offset,
                              const std::string& path, const AzureScope& scope);

// "x" of "parent.inputs.x" for the root "parent.inputs"; nothing if the root is another.
std::optional<std::string> NameBelow(const std::string& path, std::string_view root);

}  // namespace pj::api
