// AzureSource: which file a node of Azure YAML came from, and messages that name it. Internal to
// the Azure front door.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/places.h"
#include "base/diagnostics.h"
#include "base/yaml_doc.h"

namespace pj::api {

// A file of Azure YAML: relative paths in it count from `dir`.
struct AzureSource {
  std::string file;
  std::string dir;
};

// A node with the file that it stands in and its path there ("jobs.score.retry_settings"). Refers
// to the node and the source; both must outlive it.
struct AzureNode {
  const YamlNode* node = nullptr;
  const AzureSource* source = nullptr;
  std::string path;

  explicit operator bool() const { return node != nullptr; }
  bool IsScalar() const { return node->kind == YamlNode::Kind::kScalar; }
  bool IsMapping() const { return node->kind == YamlNode::Kind::kMapping; }
  bool IsNull() const { return node->kind == YamlNode::Kind::kNull; }
  // The value of a key; empty if it is not there.
  AzureNode Child(std::string_view key) const;
  AzureNode With(const YamlNode& child, std::string_view key) const;
};

// Reports findings. Not thread-safe; outlived by the diagnostics.
class AzureReporter {
 public:
  explicit AzureReporter(Diagnostics* out) : out_(out) {}

  void Error(const AzureNode& at, std::string message, std::string hint = {}) const;
  void Warn(const AzureNode& at, std::string message, std::string hint = {}) const;
  void Report(Severity severity, const AzureNode& at, std::string message,
              std::string hint = {}) const;
  // An error at a byte of a scalar's text.
  void ErrorIn(const AzureNode& at, size_t offset, std::string message,
               std::string hint = {}) const;
  // An error that belongs to the command line ("--input x").
  void OptionError(const std::string& option, std::string message, std::string hint) const;

  // The documents of another file; what is wrong with them is reported.
  std::vector<YamlNode> Parse(std::string_view text, const std::string& file) const {
    return ParseYaml(text, file, YamlDialect::kPython, out_);
  }

  // True for a mapping (or nothing); else an error.
  bool WantMapping(const AzureNode& at) const;
  // Reports every key of `at` that is in neither list, with the nearest right name.
  void CheckKeys(const AzureNode& at, Severity severity, const std::vector<std::string_view>& known,
                 const std::vector<std::string_view>& ignored = {}) const;

  // Values with Azure's leniency: whole numbers may be quoted, choices have no case. Nothing after
  // a report.
  std::optional<int64_t> Int(const AzureNode& at) const;
  std::optional<bool> Bool(const AzureNode& at) const;
  // Any scalar, as Python's str() writes it.
  std::optional<std::string> Text(const AzureNode& at) const;
  // Lower-case text that must be one of `allowed`.
  std::optional<std::string> Choice(const AzureNode& at,
                                    const std::vector<std::string_view>& allowed) const;

 private:
  Diagnostic At(const AzureNode& at, std::string message, std::string hint) const;
  Diagnostics* out_;
};

std::string AsciiLower(std::string_view text);
// True for what lies in a cloud: azureml:…, https://…, wasbs://…
bool IsRemotePath(std::string_view path);

}  // namespace pj::api
