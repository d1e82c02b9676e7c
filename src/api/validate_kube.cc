#include "api/validate_kube.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/nearest_name.h"
#include "base/json.h"

namespace pj::api {
namespace {

const std::vector<std::string_view> kVolumeKinds = {"persistentVolumeClaim",
                                                    "csi",
                                                    "nfs",
                                                    "configMap",
                                                    "secret",
                                                    "image",
                                                    "emptyDir",
                                                    "ephemeral",
                                                    "projected"};
const std::vector<std::string_view> kPodKeys = {"resources",
                                                "nodeSelector",
                                                "tolerations",
                                                "affinity",
                                                "env",
                                                "envFrom",
                                                "volumes",
                                                "serviceAccountName",
                                                "imagePullSecrets",
                                                "priorityClassName",
                                                "runtimeClassName",
                                                "labels",
                                                "annotations"};

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool Contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A label's value, or the part of its key behind '/'.
bool IsLabelText(std::string_view text) {
  if (text.empty() || text.size() > 63 || !IsAlnum(text.front()) || !IsAlnum(text.back())) {
    return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlnum(c) || c == '-' || c == '_' || c == '.'; });
}

Status CheckVolumeJson(const Json& volume, const std::vector<std::string_view>& also) {
  int kinds = 0;
  for (const auto& [key, value] : volume.items()) {
    if (Contains(also, key)) continue;
    if (key == "hostPath") {
      return Fail(pj::Code::kInvalid, "host paths are not allowed", key,
                  "use a persistentVolumeClaim");
    }
    if (!Contains(kVolumeKinds, key)) {
      return Fail(pj::Code::kInvalid, "is not an allowed volume source", key,
                  SuggestName(key, kVolumeKinds));
    }
    if (!value.is_object()) return Fail(pj::Code::kInvalid, "must be a mapping", key);
    ++kinds;
  }
  if (kinds == 1) return {};
  return Fail(pj::Code::kInvalid, "names not exactly one volume source", {},
              "write for example persistentVolumeClaim: {claimName: NAME}");
}

}  // namespace

bool IsDnsLabel(std::string_view name, size_t limit) {
  if (name.empty() || name.size() > limit || name.front() == '-' || name.back() == '-') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string LabelProblem(const std::string& key, const std::string& value) {
  const size_t slash = key.find('/');
  const std::string prefix = slash == std::string::npos ? "" : key.substr(0, slash);
  const bool own = prefix == "paralleljob.dev" || prefix.ends_with(".paralleljob.dev");
  if (own) return "the prefix paralleljob.dev is the operator's";
  if (prefix.size() > 253 || (slash != std::string::npos && prefix.empty()) ||
      !IsLabelText(std::string_view(key).substr(slash == std::string::npos ? 0 : slash + 1))) {
    return "is not a label's key: [prefix/]name, letters, digits, '-', '_', '.', at most 63";
  }
  if (!value.empty() && !IsLabelText(value)) {
    return "is not a label's value: letters, digits, '-', '_', '.', at most 63";
  }
  return {};
}

Status CheckVolume(const KubeJson& json, const std::vector<std::string_view>& also) {
  PJ_ASSIGN(const Json volume, ParseJson(json));
  return CheckVolumeJson(volume, also);
}

std::vector<Error> CheckPodTemplate(const KubeJson& json) {
  std::vector<Error> out;
  const auto pod = ParseJson(json);
  if (!pod) return {pod.error()};
  for (const auto& [key, value] : pod->items()) {
    if (!Contains(kPodKeys, key)) {
      out.push_back(
          {pj::Code::kInvalid, "is not an allowed part of a pod", key, SuggestName(key, kPodKeys)});
    }
  }
  const auto volumes = pod->find("volumes");
  if (volumes == pod->end()) return out;
  if (!volumes->is_array()) {
    out.push_back({pj::Code::kInvalid, "must be a list", "volumes", ""});
    return out;
  }
  for (size_t i = 0; i < volumes->size(); ++i) {
    const Json& volume = (*volumes)[i];
    const auto status = volume.is_object() ? CheckVolumeJson(volume, {"name"})
                                           : Status(Fail(pj::Code::kInvalid, "must be a mapping"));
    if (status) continue;
    Error error = status.error();
    error.where = fmt::format("volumes[{}]{}{}", i, error.where.empty() ? "" : ".", error.where);
    out.push_back(std::move(error));
  }
  return out;
}

}  // namespace pj::api
