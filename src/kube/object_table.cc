#include "kube/object_table.h"

#include <fmt/core.h>

namespace pj::kube {

ObjectTable::ObjectTable(std::unique_ptr<Store> store, size_t history)
    : store_(std::move(store)), history_limit_(history) {}

Status ObjectTable::Load() {
  if (store_ == nullptr) return {};
  PJ_ASSIGN(const uint64_t highest, store_->Load([&](const StoreRow& row) -> Status {
    PJ_ASSIGN(Tree tree, ParseTree(row.text, row.name));
    if (!tree.is_object() || !tree.contains("metadata") || !tree["metadata"].is_object()) {
      return Fail(Code::kCorrupt, "the stored object has no metadata", row.name);
    }
    StoredPtr object = MakeStored({row.resource, row.ns, row.name}, std::move(tree), row.version);
    Index(object);
    objects_[object->key] = object;
    return {};
  }));
  version_ = std::max(version_, highest);
  compacted_ = version_;
  return {};
}

StoredPtr ObjectTable::Find(const ObjectKey& key) const {
  auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : it->second;
}

StoredPtr ObjectTable::FindByUid(const std::string& uid) const {
  auto it = by_uid_.find(uid);
  return it == by_uid_.end() ? nullptr : Find(it->second);
}

std::vector<ObjectKey> ObjectTable::DependentsOf(const std::string& uid) const {
  auto it = dependents_.find(uid);
  if (it == dependents_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

std::vector<StoredPtr> ObjectTable::All(const std::string& resource, const std::string& ns) const {
  std::vector<StoredPtr> out;
  for (auto it = objects_.lower_bound({resource, ns, ""}); it != objects_.end(); ++it) {
    if (it->first.resource != resource || (!ns.empty() && it->first.ns != ns)) break;
    out.push_back(it->second);
  }
  return out;
}

Status ObjectTable::Commit(const std::vector<Change>& changes) {
  if (changes.empty()) return {};
  if (store_ != nullptr) {
    std::vector<StoreRow> rows;
    for (const Change& change : changes) {
      const Stored& object = *change.after;
      rows.push_back({.resource = object.key.resource,
                      .ns = object.key.ns,
                      .name = object.key.name,
                      .version = object.version,
                      .text = object.text,
                      .removed = change.type == WatchEvent::Type::kDeleted});
    }
    PJ_TRY(store_->Commit(rows));
  }
  for (const Change& change : changes) Apply(change);
  ++commits_;
  changed_.notify_all();
  return {};
}

void ObjectTable::Apply(const Change& change) {
  if (change.before != nullptr) Unindex(change.before);
  if (change.type == WatchEvent::Type::kDeleted) {
    objects_.erase(change.after->key);
  } else {
    Index(change.after);
    objects_[change.after->key] = change.after;
  }
  version_ = change.after->version;
  history_.push_back(change);
  while (history_.size() > history_limit_) {
    history_.pop_front();
    ++compacted_;
  }
}

void ObjectTable::Unindex(const StoredPtr& object) {
  by_uid_.erase(object->uid);
  for (const std::string& uid : object->owner_uids) {
    auto it = dependents_.find(uid);
    if (it == dependents_.end()) continue;
    it->second.erase(object->key);
    if (it->second.empty()) dependents_.erase(it);
  }
}

void ObjectTable::Index(const StoredPtr& object) {
  by_uid_[object->uid] = object->key;
  for (const std::string& uid : object->owner_uids) dependents_[uid].insert(object->key);
}

void ObjectTable::Compact() {
  history_.clear();
  compacted_ = version_;
  changed_.notify_all();
}

}  // namespace pj::kube
