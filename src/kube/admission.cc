#include "kube/admission.h"

#include <fmt/core.h>

#include <array>

#include "base/hash.h"

namespace pj::kube {
namespace {

using Refusal = std::optional<Response>;

constexpr std::array kServerFields{"uid",
                                   "resourceVersion",
                                   "creationTimestamp",
                                   "deletionTimestamp",
                                   "deletionGracePeriodSeconds",
                                   "generation",
                                   "selfLink",
                                   "managedFields"};

Response WrongShape(const ResourceType& type, const std::string& field, const char* expected) {
  return BadRequest(fmt::format("{} in version \"{}\" cannot be handled as a {}: {} must be {}",
                                type.kind, type.version, type.kind, field, expected));
}

// Removes nulls: in the API a null field is an absent one.
void DropNulls(Tree& object) {
  for (auto it = object.begin(); it != object.end();) {
    it = it->is_null() ? object.erase(it) : std::next(it);
  }
}

Refusal CheckStringMap(const ResourceType& type, Tree& parent, const char* key) {
  auto it = parent.find(key);
  if (it == parent.end()) return {};
  if (!it->is_object()) return WrongShape(type, key, "an object");
  for (auto& [name, value] : it->items()) {
    if (value.is_null()) value = "";
    if (!value.is_string()) return WrongShape(type, fmt::format("{}.{}", key, name), "a string");
  }
  if (it->empty()) parent.erase(it);
  return {};
}

Refusal CheckString(const ResourceType& type, const Tree& parent, const char* key) {
  auto it = parent.find(key);
  if (it != parent.end() && !it->is_string()) return WrongShape(type, key, "a string");
  return {};
}

Refusal CheckOwners(const ResourceType& type, Tree& meta) {
  auto it = meta.find("ownerReferences");
  if (it == meta.end()) return {};
  if (!it->is_array()) return WrongShape(type, "ownerReferences", "a list");
  for (const Tree& owner : *it) {
    if (!owner.is_object()) return WrongShape(type, "ownerReferences", "a list of objects");
    for (const char* key : {"apiVersion", "kind", "name", "uid"}) {
      if (auto refusal = CheckString(type, owner, key)) return refusal;
    }
  }
  if (it->empty()) meta.erase(it);
  return {};
}

Refusal CheckFinalizers(const ResourceType& type, Tree& meta) {
  auto it = meta.find("finalizers");
  if (it == meta.end()) return {};
  if (!it->is_array()) return WrongShape(type, "finalizers", "a list");
  for (const Tree& entry : *it) {
    if (!entry.is_string()) return WrongShape(type, "finalizers", "a list of strings");
  }
  if (it->empty()) meta.erase(it);
  return {};
}

Refusal CheckMeta(const ResourceType& type, Tree& object) {
  Tree& meta = object["metadata"];
  if (meta.is_null()) meta = Tree::object();
  if (!meta.is_object()) return WrongShape(type, "metadata", "an object");
  DropNulls(meta);
  for (const char* key : {"name", "generateName", "namespace", "uid", "resourceVersion"}) {
    if (auto refusal = CheckString(type, meta, key)) return refusal;
  }
  for (const char* key : {"labels", "annotations"}) {
    if (auto refusal = CheckStringMap(type, meta, key)) return refusal;
  }
  if (auto refusal = CheckOwners(type, meta)) return refusal;
  return CheckFinalizers(type, meta);
}

void KeepOnly(Tree& object, std::initializer_list<std::string_view> known) {
  for (auto it = object.begin(); it != object.end();) {
    const bool keep = std::find(known.begin(), known.end(), it.key()) != known.end();
    it = keep ? std::next(it) : object.erase(it);
  }
}

Refusal CheckConfigMap(const ResourceType& type, Tree& object) {
  KeepOnly(object, {"metadata", "data", "binaryData", "immutable"});
  DropNulls(object);
  for (const char* key : {"data", "binaryData"}) {
    if (auto refusal = CheckStringMap(type, object, key)) return refusal;
  }
  if (auto it = object.find("binaryData"); it != object.end()) {
    for (const auto& [key, value] : it->items()) {
      if (!Base64Decode(value.get_ref<const std::string&>())) {
        return WrongShape(type, "binaryData." + key, "base64");
      }
    }
  }
  auto immutable = object.find("immutable");
  if (immutable != object.end() && !immutable->is_boolean()) {
    return WrongShape(type, "immutable", "true or false");
  }
  return {};
}

Refusal CheckLease(const ResourceType& type, Tree& object) {
  KeepOnly(object, {"metadata", "spec"});
  Tree& spec = object["spec"];
  if (spec.is_null()) spec = Tree::object();
  if (!spec.is_object()) return WrongShape(type, "spec", "an object");
  DropNulls(spec);
  KeepOnly(spec, {"holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime",
                  "leaseTransitions", "strategy", "preferredHolder"});
  for (const char* key : {"holderIdentity", "acquireTime", "renewTime", "strategy"}) {
    if (auto refusal = CheckString(type, spec, key)) return refusal;
  }
  for (const char* key : {"leaseDurationSeconds", "leaseTransitions"}) {
    auto it = spec.find(key);
    if (it == spec.end()) continue;
    const bool fits =
        it->is_number_integer() && (!it->is_number_unsigned() || it->get<uint64_t>() <= INT32_MAX);
    if (!fits || it->get<int64_t>() < INT32_MIN) return WrongShape(type, key, "a 32-bit integer");
  }
  return {};
}

Refusal CheckTypeFields(const ResourceType& type, bool builtin, const Tree& object) {
  const auto field = [&](const char* key) {
    auto it = object.find(key);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const std::string version = field("apiVersion");
  const std::string kind = field("kind");
  if (!builtin && kind.empty()) return BadRequest("Object 'Kind' is missing");
  if (!builtin && version.empty()) return BadRequest("Object 'apiVersion' is missing");
  if (!version.empty() && version != type.ApiVersion()) {
    return BadRequest(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    version, type.ApiVersion()));
  }
  if (!kind.empty() && kind != type.kind) {
    return BadRequest(fmt::format("{} in version \"{}\" cannot be handled as a {}", kind,
                                  type.version, type.kind));
  }
  return {};
}

Refusal CheckPlace(const Request& request, Tree& meta) {
  const std::string ns = meta.value("namespace", "");
  if (!ns.empty() && ns != request.ns) {
    return BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  meta["namespace"] = request.ns;
  if (request.verb == Verb::kCreate) return {};
  const std::string name = meta.value("name", "");
  if (name.empty()) {
    return BadRequest(fmt::format(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        request.name));
  }
  if (name != request.name) {
    return BadRequest(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, request.name));
  }
  return {};
}

Refusal CheckObject(const Request& request, Tree& object) {
  const Traits traits = TraitsOf(request.type);
  if (!object.is_object()) return WrongShape(request.type, "the body", "an object");
  if (auto refusal = CheckTypeFields(request.type, traits.builtin, object)) return refusal;
  object.erase("apiVersion");
  object.erase("kind");
  if (auto refusal = CheckMeta(request.type, object)) return refusal;
  if (request.type == ConfigMaps()) {
    if (auto refusal = CheckConfigMap(request.type, object)) return refusal;
  }
  if (request.type == Leases()) {
    if (auto refusal = CheckLease(request.type, object)) return refusal;
  }
  return CheckPlace(request, object["metadata"]);
}

void TakeOver(const Tree& from, const char* key, Tree& to) {
  auto it = from.find(key);
  if (it == from.end()) {
    to.erase(key);
  } else {
    to[key] = *it;
  }
}

// Everything but metadata and status, which do not count for the generation.
bool SameSpec(Tree a, Tree b) {
  for (Tree* object : {&a, &b}) {
    object->erase("metadata");
    object->erase("status");
  }
  return a == b;
}

}  // namespace

Traits TraitsOf(const ResourceType& type) {
  if (type == ConfigMaps()) return {.builtin = true, .update_without_version = true};
  if (type == Leases()) return {.builtin = true, .create_on_update = true};
  return {.status = true, .generation = true};
}

Decoded DecodeBody(const Request& request) {
  Decoded out;
  if (request.body.size() > kRequestBytes) {
    out.refusal = TooLarge(kRequestBytes);
    return out;
  }
  auto parsed = ParseTree(request.body);
  if (!parsed) {
    out.refusal = BadRequest("the object provided is unrecognized: " + parsed.error().message);
    return out;
  }
  out.tree = std::move(*parsed);
  out.refusal = CheckObject(request, out.tree);
  return out;
}

void PrepareCreate(const ResourceType& type, const NewObject& server, Tree& object) {
  Tree& meta = object["metadata"];
  for (const char* key : kServerFields) meta.erase(key);
  meta["uid"] = server.uid;
  meta["creationTimestamp"] = server.now;
  const Traits traits = TraitsOf(type);
  if (traits.generation) meta["generation"] = 1;
  if (traits.status) object.erase("status");
}

void PrepareUpdate(const ResourceType& type, const Tree& old, bool status, Tree& object) {
  const Traits traits = TraitsOf(type);
  if (status) {
    Tree next = old;
    TakeOver(object, "status", next);
    object = std::move(next);
    return;
  }
  const Tree& old_meta = old.at("metadata");
  Tree& meta = object["metadata"];
  for (const char* key : kServerFields) TakeOver(old_meta, key, meta);
  if (traits.status) TakeOver(old, "status", object);
  if (traits.generation && !SameSpec(old, object)) {
    meta["generation"] = old_meta.value("generation", int64_t{1}) + 1;
  }
}

}  // namespace pj::kube
