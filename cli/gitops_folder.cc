#include "cli/gitops_folder.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "api/load.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/made_folder.h"
#include "base/yaml_text.h"

namespace pj::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kItem[] = "  - ";

using Texts = std::map<std::string, std::string>;

void AddText(const std::string& key, const std::string& text, std::string* out) {
  if (IsYamlBlockSafe(text)) {
    *out += fmt::format("  {}: {}\n", YamlScalar(key), text.ends_with("\n") ? "|" : "|-");
    *out += YamlBlock(text, 4);
  } else {
    *out += fmt::format("  {}: {}\n", YamlScalar(key), YamlQuoted(text));
  }
}

// What an earlier call wrote beside its index; an error if the index is somebody else's.
Result<std::vector<std::string>> EarlierFiles(const std::string& dir) {
  const std::string index = (fs::path(dir) / kGitopsIndex).string();
  std::error_code ignored;
  if (!fs::exists(index, ignored)) return std::vector<std::string>();
  PJ_ASSIGN(const std::string text, ReadFile(index, limits::kYamlBytes));
  if (!text.starts_with(kGitopsMark)) {
    return Fail(Code::kAlreadyExists, "was not made by paralleljob, and is not replaced", index,
                "give --out a folder of its own");
  }
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    // Names of ours only: nothing outside the folder is ever removed.
    if (line.starts_with(kItem) && line.find('/') == std::string::npos) {
      out.push_back(line.substr(std::string_view(kItem).size()));
    }
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string ToYaml(const kube::ConfigMap& map) {
  std::string out = fmt::format("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n",
                                YamlScalar(map.meta.name));
  if (!map.meta.ns.empty()) out += fmt::format("  namespace: {}\n", YamlScalar(map.meta.ns));
  out += "  labels:\n";
  for (const auto& [key, value] : map.meta.labels) {
    out += fmt::format("    {}: {}\n", YamlScalar(key), YamlScalar(value));
  }
  out += "immutable: true\n";
  if (!map.data.empty()) out += "data:\n";
  for (const auto& [key, text] : map.data) AddText(key, text, &out);
  if (!map.binary_data.empty()) out += "binaryData:\n";
  for (const auto& [key, bytes] : map.binary_data) {
    out += fmt::format("  {}: {}\n", YamlScalar(key), YamlQuoted(Base64Encode(bytes)));
  }
  return out;
}

Result<std::vector<std::string>> WriteGitopsFolder(const ClusterForm& form,
                                                   const std::string& dir) {
  PJ_ASSIGN(const std::vector<std::string> earlier, EarlierFiles(dir));
  Texts files;
  for (const kube::ConfigMap& map : form.maps) files[map.meta.name + ".yaml"] = ToYaml(map);
  files["paralleljob.yaml"] = api::ToManifest(form.job);
  std::string index = fmt::format(
      "{}apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n",
      kGitopsMark);
  for (const auto& [name, text] : files) index += kItem + name + "\n";
  files[kGitopsIndex] = index;
  PJ_TRY(MakeDirs(dir));
  std::vector<std::string> out;
  for (const auto& [name, text] : files) {
    PJ_TRY(WriteFileAtomic((fs::path(dir) / name).string(), text));
    out.push_back(name);
  }
  for (const std::string& name : earlier) {
    std::error_code error;
    if (!files.contains(name)) fs::remove(fs::path(dir) / name, error);
    if (error) return FailErrno(error.value(), "cannot remove", dir + "/" + name);
  }
  return out;
}

}  // namespace pj::cli
