// Places: where each setting of a job stands in its file, so that the one validator, which sees
// only types, can still name line, column and the user's own spelling.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/diagnostics.h"
#include "base/yaml_doc.h"

namespace pj::api {

enum class Spelling { kManifest, kAzure };

// Filled by a front door while it reads, under the manifest's path of each setting
// ("spec.retrySettings.maxRetries", "spec.inputs[data].path": lists by name). Not thread-safe.
class Places {
 public:
  explicit Places(std::string file = {}, Spelling spelling = Spelling::kManifest)
      : file_(std::move(file)), spelling_(spelling) {}

  // `written`: the path as the user wrote it; empty = the same. The place is the node's; `file`: of
  // another file than this one's.
  void Set(const std::string& path, const YamlNode& node, const std::string& written = {},
           const std::string& file = {});
  // The text of task.programArguments, so that findings in it name the line within a folded text.
  void SetArguments(const YamlNode& node) { arguments_ = node; }
  const std::optional<YamlNode>& arguments() const { return arguments_; }

  bool Has(const std::string& path) const { return known_.contains(path); }
  // An error at `path`; of a setting that is not written, at the nearest one around it.
  Diagnostic At(const std::string& path) const;
  const std::string& file() const { return file_; }

 private:
  struct Place {
    int line = 0;
    int column = 0;
    std::string written;
    std::string value;
    std::string file;
  };
  std::string file_;
  Spelling spelling_;
  std::map<std::string, Place> known_;
  std::optional<YamlNode> arguments_;
};

}  // namespace pj::api
