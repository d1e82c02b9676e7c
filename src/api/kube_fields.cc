#include "api/kube_fields.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "api/nearest_name.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace pj::api {
namespace {

using T = FieldType;

constexpr Field Row(std::string_view path, T type, std::string_view description,
                    bool required = false, std::string_view choices = {}) {
  Field row;
  row.path = path;
  row.type = type;
  row.description = description;
  row.choices = choices;
  row.required = required;
  row.cluster_only = true;
  return row;
}
constexpr bool kRequired = true;

constexpr Field Integer(std::string_view path, std::string_view description, int64_t max,
                        int64_t min = 0) {
  Field row = Row(path, T::kInteger, description);
  row.min = min;
  row.max = max;
  return row;
}

constexpr int64_t kFileMode = 511;  // 0777
constexpr int64_t kShortestToken = 600;
constexpr int64_t kLongestToken = int64_t{1} << 32;

constexpr Field kVolume[] = {
    Row("persistentVolumeClaim", T::kObject, "a claim in the job's namespace"),
    Row("persistentVolumeClaim.claimName", T::kText, "name of the claim", kRequired),
    Row("persistentVolumeClaim.readOnly", T::kBoolean, "mounts it without the right to write"),
    Row("csi", T::kObject, "a volume that a CSI driver makes for each pod"),
    Row("csi.driver", T::kText, "name of the driver", kRequired),
    Row("csi.fsType", T::kText, "file system to mount"),
    Row("csi.readOnly", T::kBoolean, "mounts it without the right to write"),
    Row("csi.volumeAttributes", T::kTextMap, "what the driver wants to know"),
    Row("csi.nodePublishSecretRef", T::kObject, "a Secret for the driver"),
    Row("csi.nodePublishSecretRef.name", T::kText, "name of the Secret", kRequired),
    Row("nfs", T::kObject,
        "an NFS export; refused by Pod Security restricted, where a claim is the way"),
    Row("nfs.server", T::kText, "host of the export", kRequired),
    Row("nfs.path", T::kText, "path of the export", kRequired),
    Row("nfs.readOnly", T::kBoolean, "mounts it without the right to write"),
    Row("configMap", T::kObject, "the keys of a ConfigMap as files"),
    Row("configMap.name", T::kText, "name of the ConfigMap", kRequired),
    Row("configMap.items", T::kObjectList, "only these keys"),
    Row("configMap.items[].key", T::kText, "the key", kRequired),
    Row("configMap.items[].path", T::kText, "its file below the volume", kRequired),
    Integer("configMap.items[].mode", "permission bits of the file, in decimal", kFileMode),
    Integer("configMap.defaultMode", "permission bits of the files, in decimal", kFileMode),
    Row("configMap.optional", T::kBoolean, "whether it may be missing"),
    Row("secret", T::kObject, "the keys of a Secret as files"),
    Row("secret.secretName", T::kText, "name of the Secret", kRequired),
    Row("secret.items", T::kObjectList, "only these keys"),
    Row("secret.items[].key", T::kText, "the key", kRequired),
    Row("secret.items[].path", T::kText, "its file below the volume", kRequired),
    Integer("secret.items[].mode", "permission bits of the file, in decimal", kFileMode),
    Integer("secret.defaultMode", "permission bits of the files, in decimal", kFileMode),
    Row("secret.optional", T::kBoolean, "whether it may be missing"),
    Row("image", T::kObject, "the files of an OCI image"),
    Row("image.reference", T::kText, "the image", kRequired),
    Row("image.pullPolicy", T::kChoice, "when it is pulled", false, "Always Never IfNotPresent"),
    Row("emptyDir", T::kObject, "an empty folder that lives as long as the pod"),
    Row("emptyDir.medium", T::kText, "Memory, or empty for the node's disk"),
    Row("emptyDir.sizeLimit", T::kIntOrText, "how large it may grow: 1Gi"),
    Row("ephemeral", T::kObject, "a claim that is made for each pod"),
    Row("ephemeral.volumeClaimTemplate", T::kFragment, "metadata and spec of the claim", kRequired),
    Row("projected", T::kObject, "several sources in one folder"),
    Row("projected.sources", T::kObjectList, "each as in a pod's projected volume", kRequired),
    Row("projected.sources[].configMap", T::kFragment, "the keys of a ConfigMap"),
    Row("projected.sources[].secret", T::kFragment, "the keys of a Secret"),
    Row("projected.sources[].downwardAPI", T::kFragment, "fields of the pod"),
    // Without an audience it would be the API server's, with the rights of the pods' account.
    Row("projected.sources[].serviceAccountToken", T::kObject,
        "a token of the pods' account for somebody else than the API server"),
    Row("projected.sources[].serviceAccountToken.audience", T::kText, "who is to take it",
        kRequired),
    Integer("projected.sources[].serviceAccountToken.expirationSeconds",
            "how long one token is good; a new one comes before", kLongestToken, kShortestToken),
    Row("projected.sources[].serviceAccountToken.path", T::kText, "its file below the volume",
        kRequired),
    Row("projected.sources[].clusterTrustBundle", T::kFragment, "certificates of the cluster"),
    Integer("projected.defaultMode", "permission bits of the files, in decimal", kFileMode),
};

constexpr Field kPod[] = {
    Row("resources", T::kObject, "what the user container asks for and may use"),
    Row("resources.requests", T::kQuantityMap, "cpu: 2, memory: 4Gi, nvidia.com/gpu: 1"),
    Row("resources.limits", T::kQuantityMap,
        "the same as upper bounds; the cores of the CPU limit are the default of "
        "maxConcurrencyPerInstance"),
    Row("nodeSelector", T::kTextMap, "labels that a node must have"),
    Row("tolerations", T::kObjectList, "taints that the pods tolerate"),
    Row("tolerations[].key", T::kText, "key of the taint; none: all keys"),
    Row("tolerations[].operator", T::kChoice, "how the value is compared", false, "Exists Equal"),
    Row("tolerations[].value", T::kText, "value of the taint"),
    Row("tolerations[].effect", T::kChoice, "effect of the taint; none: all effects", false,
        "NoSchedule PreferNoSchedule NoExecute"),
    Integer("tolerations[].tolerationSeconds", "how long NoExecute is tolerated", limits::kIntMax),
    Row("affinity", T::kFragment, "as in a pod: nodeAffinity, podAffinity, podAntiAffinity"),
    Row("env", T::kObjectList, "variables of the user container"),
    Row("env[].name", T::kText, "name of the variable", kRequired),
    Row("env[].value", T::kText, "its value"),
    Row("env[].valueFrom", T::kFragment, "where its value comes from, as in a pod"),
    Row("envFrom", T::kObjectList, "ConfigMaps and Secrets whose keys become variables"),
    Row("envFrom[].prefix", T::kText, "stands before each name"),
    Row("envFrom[].configMapRef", T::kObject, "a ConfigMap"),
    Row("envFrom[].configMapRef.name", T::kText, "its name", kRequired),
    Row("envFrom[].configMapRef.optional", T::kBoolean, "whether it may be missing"),
    Row("envFrom[].secretRef", T::kObject, "a Secret"),
    Row("envFrom[].secretRef.name", T::kText, "its name", kRequired),
    Row("envFrom[].secretRef.optional", T::kBoolean, "whether it may be missing"),
    Row("volumes", T::kVolumeList,
        "more volumes of the pods: a name and one source each; the user container has them at "
        "/paralleljob/volumes/NAME, dshm at /dev/shm"),
    Row("serviceAccountName", T::kText,
        "account of the pods, for a cloud identity; none: one that the operator makes"),
    Row("imagePullSecrets", T::kObjectList, "Secrets for pulling images"),
    Row("imagePullSecrets[].name", T::kText, "name of the Secret", kRequired),
    Row("priorityClassName", T::kText, "priority of the pods"),
    Row("runtimeClassName", T::kText, "runtime of the pods"),
    Row("labels", T::kTextMap, "labels of the pods"),
    Row("annotations", T::kTextMap, "annotations of the pods"),
};

constexpr Field kVolumeName[] = {Row("name", T::kText, "name of the volume", kRequired)};
constexpr Field kVolumePath[] = {Row("path", T::kText, "folder below the volume")};
constexpr Field kCodeConfigMap[] = {
    Row("name", T::kText, "name of the ConfigMap", kRequired),
    Row("items", T::kObjectList, "only these keys; with their places where the folder has folders"),
    Row("items[].key", T::kText, "the key", kRequired),
    Row("items[].path", T::kText, "its file below the folder", kRequired),
    Integer("items[].mode", "permission bits of the file, in decimal", kFileMode),
    Integer("defaultMode", "permission bits of the files, in decimal", kFileMode),
};

constexpr Field kCodeArchive[] = {
    Row("configMaps", T::kTextList,
        "names of the ConfigMaps whose key `part` holds the pieces of the file, in their order",
        kRequired),
};

// Rows of a fragment: own ones and, for those that hold a volume source, the volume's.
struct Rows {
  std::span<const Field> own;
  std::span<const Field> volume;

  const Field* Find(std::string_view path) const {
    for (const auto rows : {own, volume}) {
      const auto found =
          std::find_if(rows.begin(), rows.end(), [&](const Field& f) { return f.path == path; });
      if (found != rows.end()) return &*found;
    }
    return nullptr;
  }
  std::vector<std::string_view> Keys(std::string_view prefix) const {
    std::vector<std::string_view> out;
    for (const auto rows : {own, volume}) {
      for (const Field& row : rows) {
        if (!row.path.starts_with(prefix)) continue;
        const std::string_view rest = row.path.substr(prefix.size());
        if (rest.find('.') == std::string_view::npos) out.push_back(rest);
      }
    }
    return out;
  }
};

Rows RowsOf(const Field& field) {
  if (field.type == T::kVolume) return {{}, kVolume};
  if (field.type == T::kVolumeList) return {kVolumeName, kVolume};
  if (field.path == "spec.podTemplate") return {kPod, {}};
  if (field.path == "spec.task.code.volume") return {kVolumePath, kVolume};
  if (field.path == "spec.task.code.configMap") return {kCodeConfigMap, {}};
  if (field.path == "spec.task.code.archive") return {kCodeArchive, {}};
  return {};
}

class Checker {
 public:
  std::vector<Error> errors;

  // `prefix`: the path of `value` in the rows, with its dot. `where`: the same with indexes.
  void Object(const Rows& rows, const Json& value, const std::string& prefix,
              const std::string& where) {
    if (!value.is_object()) return Add(where, "must be a mapping");
    for (const auto& [key, item] : value.items()) {
      const std::string at = where.empty() ? key : where + "." + key;
      const Field* row = rows.Find(prefix + key);
      if (row == nullptr)
        Unknown(rows, prefix, key, at);
      else
        Value(rows, *row, item, prefix + key, at);
    }
    for (const auto name : rows.Keys(prefix)) {
      const Field* row = rows.Find(prefix + std::string(name));
      if (row->required && !value.contains(name))
        Add(where.empty() ? std::string(name) : where + "." + std::string(name), "is required");
    }
    if (prefix.empty() && !rows.volume.empty()) OneSource(value, where);
  }

 private:
  void Add(std::string where, std::string message, std::string hint = {}) {
    errors.push_back({pj::Code::kInvalid, std::move(message), std::move(where), std::move(hint)});
  }
  void Unknown(const Rows& rows, const std::string& prefix, const std::string& key,
               const std::string& at) {
    if (prefix.empty() && !rows.volume.empty() && key == "hostPath")
      return Add(at, "host paths are not allowed", "use a persistentVolumeClaim");
    Add(at, prefix.empty() ? "is not allowed here" : "unknown key",
        SuggestName(key, rows.Keys(prefix)));
  }
  void OneSource(const Json& value, const std::string& where) {
    int sources = 0;
    for (const auto& [key, item] : value.items()) {
      sources += std::any_of(std::begin(kVolume), std::end(kVolume),
                             [&](const Field& row) { return row.path == key; });
    }
    if (sources == 1) return;
    Add(where, "names not exactly one volume source",
        "write for example persistentVolumeClaim: {claimName: NAME}");
  }

  void Value(const Rows& rows, const Field& row, const Json& value, const std::string& path,
             const std::string& at) {
    const Limits size = LimitsOf(row);
    switch (row.type) {
      case T::kObject:
        return Object(rows, value, path + ".", at);
      case T::kObjectList:
        return List(value, size, at, [&](const Json& item, const std::string& where) {
          Object(rows, item, path + "[].", where);
        });
      case T::kVolumeList:
        return List(value, size, at, [&](const Json& item, const std::string& where) {
          Object(RowsOf(row), item, "", where);
        });
      case T::kTextList:
        return List(value, size, at, [&](const Json& item, const std::string& where) {
          Scalar(row, item.is_string() && !item.get_ref<const std::string&>().empty(), item, where);
        });
      case T::kTextMap:
      case T::kQuantityMap:
        return Map(row, value, size, at);
      case T::kFragment:
        if (!value.is_object()) Add(at, "must be a mapping");
        return;
      case T::kInteger: {
        const auto number = CheckedInt(value);
        return Scalar(row, number && *number >= row.min && *number <= row.max, value, at);
      }
      case T::kBoolean:
        return Scalar(row, value.is_boolean(), value, at);
      case T::kIntOrText:
        return Scalar(row, value.is_string() || CheckedInt(value), value, at);
      case T::kChoice:
        return Scalar(row, value.is_string() && IsChoice(row, value.get<std::string>()), value, at);
      default:
        Scalar(row, value.is_string() && !(row.required && value.get<std::string>().empty()), value,
               at);
    }
  }
  template <class Check>
  void List(const Json& value, const Limits& size, const std::string& at, Check check) {
    if (!value.is_array()) return Add(at, "must be a list");
    if (static_cast<int64_t>(value.size()) > size.items)
      Add(at, fmt::format("has {} entries, at most {}", value.size(), size.items));
    for (size_t i = 0; i < value.size(); ++i) check(value[i], fmt::format("{}[{}]", at, i));
  }
  void Map(const Field& row, const Json& value, const Limits& size, const std::string& at) {
    if (!value.is_object()) return Add(at, "must be a mapping");
    if (static_cast<int64_t>(value.size()) > size.items)
      Add(at, fmt::format("has {} entries, at most {}", value.size(), size.items));
    for (const auto& [key, item] : value.items()) {
      const bool number = row.type == T::kQuantityMap && CheckedInt(item);
      if (!item.is_string() && !number)
        Add(at + "." + key,
            row.type == T::kQuantityMap ? "takes a whole number or text" : "takes text");
      else
        Length(item, size, at + "." + key);
    }
  }
  void Scalar(const Field& row, bool fits, const Json& value, const std::string& at) {
    if (!fits) {
      if (value.is_string() && value.get<std::string>().empty() && row.required)
        return Add(at, "is empty");
      return Add(at, fmt::format("takes {}", Allowed(row)));
    }
    Length(value, LimitsOf(row), at);
  }
  void Length(const Json& value, const Limits& size, const std::string& at) {
    if (!value.is_string()) return;
    const auto length = static_cast<int64_t>(CountCodePoints(value.get<std::string>()));
    if (length > size.length)
      Add(at, fmt::format("has {} characters, at most {}", length, size.length));
  }
  static bool IsChoice(const Field& row, const std::string& text) {
    return fmt::format(" {} ", row.choices).find(fmt::format(" {} ", text)) != std::string::npos;
  }
};

void Nest(const Rows& rows, const std::string& prefix, std::vector<NestedField>* out) {
  for (const auto part : {rows.own, rows.volume}) {
    for (const Field& row : part) {
      const std::string path = fmt::format("{}.{}", prefix, row.path);
      out->push_back({path, &row});
      if (row.type == T::kVolumeList) Nest(RowsOf(row), path + "[]", out);
    }
  }
}

}  // namespace

std::vector<NestedField> NestedFields(const Field& fragment) {
  std::vector<NestedField> out;
  Nest(RowsOf(fragment), std::string(fragment.path), &out);
  return out;
}

std::vector<Error> CheckFragment(const Field& fragment, const std::string& json) {
  const auto value = ParseJson(json);
  if (!value) return {value.error()};
  Checker checker;
  checker.Object(RowsOf(fragment), *value, "", "");
  return std::move(checker.errors);
}

std::vector<Error> CheckKeeps(const std::string& json) {
  const auto value = ParseJson(json);
  if (!value || !value->is_object() || value->size() != 1) return {};  // CheckFragment's to say
  const std::string kind = value->begin().key();
  const Json& source = value->begin().value();
  const char* hint = "use persistentVolumeClaim, nfs or csi";
  if (kind == "emptyDir" || kind == "ephemeral") {
    return {{pj::Code::kInvalid, "is of one pod alone, and gone with it", kind, hint}};
  }
  if (kind == "configMap" || kind == "secret" || kind == "projected" || kind == "image") {
    return {{pj::Code::kInvalid, "cannot be written to", kind, hint}};
  }
  if (source.is_object() && source.contains("readOnly") && source["readOnly"] == true) {
    return {{pj::Code::kInvalid, "cannot be written to", kind + ".readOnly", "remove it"}};
  }
  return {};
}

}  // namespace pj::api
