#include "kube/objects.h"

#include <fmt/core.h>

#include "base/hash.h"
#include "base/json.h"
#include "kube/json_text.h"

namespace pj::kube {
namespace {

std::string Text(const Json& parent, const char* key) {
  auto it = parent.find(key);
  return it != parent.end() && it->is_string() ? it->get<std::string>() : std::string();
}

int64_t Number(const Json& parent, const char* key) {
  auto it = parent.find(key);
  return it != parent.end() ? CheckedInt(*it).value_or(0) : 0;
}

const Json& Child(const Json& parent, const char* key) {
  static const Json none = Json::object();
  auto it = parent.find(key);
  return it != parent.end() && it->is_object() ? *it : none;
}

std::map<std::string, std::string> TextMap(const Json& parent, const char* key) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : Child(parent, key).items()) {
    if (value.is_string()) out[name] = value.get<std::string>();
  }
  return out;
}

Json EncodeOwner(const OwnerReference& owner) {
  return {{"apiVersion", owner.api_version},
          {"kind", owner.kind},
          {"name", owner.name},
          {"uid", owner.uid},
          {"controller", owner.controller}};
}

Json EncodeMeta(const Meta& meta) {
  Json out{{"name", meta.name}};
  if (!meta.ns.empty()) out["namespace"] = meta.ns;
  if (!meta.uid.empty()) out["uid"] = meta.uid;
  if (!meta.resource_version.empty()) out["resourceVersion"] = meta.resource_version;
  if (!meta.labels.empty()) out["labels"] = meta.labels;
  if (!meta.annotations.empty()) out["annotations"] = meta.annotations;
  if (meta.owner) out["ownerReferences"] = Json::array({EncodeOwner(*meta.owner)});
  return out;
}

// The controller among the owners, else the first.
std::optional<OwnerReference> DecodeOwner(const Json& meta) {
  auto list = meta.find("ownerReferences");
  std::optional<OwnerReference> out;
  if (list == meta.end() || !list->is_array()) return out;
  for (const Json& entry : *list) {
    if (!entry.is_object()) continue;
    auto flag = entry.find("controller");
    const bool controller = flag != entry.end() && *flag == true;
    if (out && !controller) continue;
    out = OwnerReference{.api_version = Text(entry, "apiVersion"),
                         .kind = Text(entry, "kind"),
                         .name = Text(entry, "name"),
                         .uid = Text(entry, "uid"),
                         .controller = controller};
    if (controller) break;
  }
  return out;
}

}  // namespace

Meta MetaOf(const Json& object) {
  const Json& meta = Child(object, "metadata");
  return {.name = Text(meta, "name"),
          .ns = Text(meta, "namespace"),
          .uid = Text(meta, "uid"),
          .resource_version = Text(meta, "resourceVersion"),
          .labels = TextMap(meta, "labels"),
          .annotations = TextMap(meta, "annotations"),
          .owner = DecodeOwner(meta)};
}

namespace {

// Items of a built-in kind's list carry no kind, so an absent one is fine and another one is not.
Result<Json> ParseObject(std::string_view text, const char* kind) {
  PJ_ASSIGN(Json object, ParseJson(Without(text, {"metadata.managedFields"}), kind));
  if (!object.is_object() || !object.contains("metadata") || !object["metadata"].is_object()) {
    return Fail(Code::kInvalid, "not a Kubernetes object: metadata is missing", kind);
  }
  const std::string is = Text(object, "kind");
  if (*kind != '\0' && !is.empty() && is != kind) {
    return Fail(Code::kInvalid, fmt::format("kind is {}, not {}", is, kind),
                Text(object["metadata"], "name"));
  }
  return object;
}

std::unexpected<Error> BadField(const Meta& meta, const std::string& field) {
  return Fail(Code::kInvalid, fmt::format("{} has the wrong type", field),
              fmt::format("{}/{}", meta.ns, meta.name));
}

}  // namespace

std::string Encode(const ConfigMap& map) {
  Json out{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", EncodeMeta(map.meta)}};
  if (!map.data.empty()) out["data"] = map.data;
  if (!map.binary_data.empty()) {
    Json& binary = out["binaryData"] = Json::object();
    for (const auto& [key, bytes] : map.binary_data) binary[key] = Base64Encode(bytes);
  }
  if (map.immutable) out["immutable"] = true;
  return DumpJson(out);
}

std::string Encode(const Lease& lease) {
  Json spec = Json::object();
  if (!lease.holder.empty()) spec["holderIdentity"] = lease.holder;
  if (lease.duration_seconds != 0) spec["leaseDurationSeconds"] = lease.duration_seconds;
  if (!lease.renew_time.empty()) spec["renewTime"] = lease.renew_time;
  if (lease.transitions != 0) spec["leaseTransitions"] = lease.transitions;
  return DumpJson({{"apiVersion", "coordination.k8s.io/v1"},
                   {"kind", "Lease"},
                   {"metadata", EncodeMeta(lease.meta)},
                   {"spec", std::move(spec)}});
}

Result<ConfigMap> DecodeConfigMap(std::string_view json) {
  PJ_ASSIGN(const Json object, ParseObject(json, "ConfigMap"));
  ConfigMap out;
  out.meta = MetaOf(object);
  for (const auto& [key, value] : Child(object, "data").items()) {
    if (!value.is_string()) return BadField(out.meta, "data." + key);
    out.data[key] = value.get<std::string>();
  }
  for (const auto& [key, value] : Child(object, "binaryData").items()) {
    if (!value.is_string()) return BadField(out.meta, "binaryData." + key);
    PJ_ASSIGN(out.binary_data[key], Base64Decode(value.get_ref<const std::string&>()));
  }
  auto immutable = object.find("immutable");
  out.immutable = immutable != object.end() && *immutable == true;
  return out;
}

Result<Lease> DecodeLease(std::string_view json) {
  PJ_ASSIGN(const Json object, ParseObject(json, "Lease"));
  const Json& spec = Child(object, "spec");
  return Lease{.meta = MetaOf(object),
               .holder = Text(spec, "holderIdentity"),
               .duration_seconds = Number(spec, "leaseDurationSeconds"),
               .transitions = Number(spec, "leaseTransitions"),
               .renew_time = Text(spec, "renewTime")};
}

Result<Meta> DecodeMeta(std::string_view json) {
  PJ_ASSIGN(const std::string_view meta, JsonMember(json, "metadata"));
  PJ_ASSIGN(const Json object,
            ParseObject(fmt::format("{{\"metadata\":{}}}", meta.empty() ? "null" : meta), ""));
  return MetaOf(object);
}

}  // namespace pj::kube
