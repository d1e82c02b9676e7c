#include "kube/stored.h"

namespace pj::kube {
namespace {

void ReadMeta(const Tree& meta, Stored& out) {
  if (auto it = meta.find("uid"); it != meta.end() && it->is_string()) out.uid = *it;
  if (auto it = meta.find("labels"); it != meta.end() && it->is_object()) {
    for (const auto& [key, value] : it->items()) {
      if (value.is_string()) out.labels[key] = value;
    }
  }
  if (auto it = meta.find("ownerReferences"); it != meta.end() && it->is_array()) {
    for (const Tree& owner : *it) {
      if (auto uid = owner.find("uid"); uid != owner.end() && uid->is_string()) {
        out.owner_uids.push_back(*uid);
      }
    }
  }
  auto finalizers = meta.find("finalizers");
  out.finalizers = finalizers != meta.end() && !finalizers->empty();
  out.deleting = meta.contains("deletionTimestamp");
}

}  // namespace

StoredPtr MakeStored(ObjectKey key, Tree tree, uint64_t version) {
  auto out = std::make_shared<Stored>();
  tree["metadata"]["resourceVersion"] = std::to_string(version);
  out->key = std::move(key);
  out->version = version;
  ReadMeta(tree["metadata"], *out);
  out->text = DumpTree(tree);
  return out;
}

Tree TreeOf(const Stored& object) {
  return Tree::parse(object.text, nullptr, /*allow_exceptions=*/false);
}

std::string FullText(const ResourceType& type, const Stored& object) {
  std::string out = "{\"kind\":\"" + type.kind + "\",\"apiVersion\":\"" + type.ApiVersion() + "\",";
  out.append(object.text, 1);
  return out;
}

ObjectKey KeyOf(const ResourceType& type, const std::string& ns, const std::string& name) {
  return {type.group + "/" + type.plural, ns, name};
}

}  // namespace pj::kube
