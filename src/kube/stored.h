// Stored: one object as the embedded API server keeps it: text, and the few facts that it looks at.
// Internal to src/kube; include in .cc files only (JSON).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "kube/api.h"

namespace pj::kube {

// Keys sorted, so that equal objects have equal text.
using Tree = nlohmann::json;
using Labels = std::map<std::string, std::string>;

struct ObjectKey {
  std::string resource;  // "<group>/<plural>"
  std::string ns = {};
  std::string name = {};
  auto operator<=>(const ObjectKey&) const = default;
};

// Immutable once made, so lists, watches and the history share it without copying.
struct Stored {
  ObjectKey key;
  uint64_t version = 0;
  std::string uid = {};
  Labels labels;
  std::vector<std::string> owner_uids;
  bool finalizers = false;  // some are left
  bool deleting = false;    // deletionTimestamp is set
  std::string text;         // JSON without apiVersion and kind, as items of a built-in kind's list
};
using StoredPtr = std::shared_ptr<const Stored>;

// Builds it from the object's tree (without apiVersion and kind), which gets `version`.
StoredPtr MakeStored(ObjectKey key, Tree tree, uint64_t version);
// The tree of `object.text`.
Tree TreeOf(const Stored& object);
// The text with apiVersion and kind in front.
std::string FullText(const ResourceType& type, const Stored& object);
ObjectKey KeyOf(const ResourceType& type, const std::string& ns, const std::string& name);

}  // namespace pj::kube
