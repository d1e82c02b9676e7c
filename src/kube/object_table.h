// ObjectTable: all objects of the embedded API server in memory, the history that watches read, and
// the write-through to the store. Internal to src/kube; include in .cc files only (JSON).
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "kube/store.h"
#include "kube/stored.h"

namespace pj::kube {

// One committed write. `after` of a removal is the last state with the removal's version.
struct Change {
  WatchEvent::Type type = WatchEvent::Type::kModified;
  StoredPtr before;  // null for kAdded
  StoredPtr after;
};

// Every member needs `mutex()` held, but for mutex() and changed() themselves.
class ObjectTable {
 public:
  ObjectTable(std::unique_ptr<Store> store, size_t history);

  // Reads the store's objects (nothing without a store).
  Status Load();

  StoredPtr Find(const ObjectKey& key) const;
  StoredPtr FindByUid(const std::string& uid) const;
  std::vector<ObjectKey> DependentsOf(const std::string& uid) const;
  // Objects of a resource in order; of all namespaces if `ns` is empty.
  std::vector<StoredPtr> All(const std::string& resource, const std::string& ns) const;

  uint64_t version() const { return version_; }
  // Version of the i-th change (from 0) of the next commit.
  uint64_t NextVersion(size_t i) const { return version_ + 1 + i; }
  // Stores all changes or none; their versions must be NextVersion(0), (1) …
  Status Commit(const std::vector<Change>& changes);
  uint64_t commits() const { return commits_; }

  // The change with this version; the caller checks Knows() first.
  const Change& At(uint64_t version) const { return history_[version - compacted_ - 1]; }
  // True if every change after `version` is still in the history.
  bool Knows(uint64_t version) const { return version >= compacted_; }
  void Compact();
  uint64_t compacted() const { return compacted_; }

  std::mutex& mutex() { return mutex_; }
  std::condition_variable& changed() { return changed_; }

 private:
  void Apply(const Change& change);
  void Unindex(const StoredPtr& object);
  void Index(const StoredPtr& object);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Store> store_;  // null: memory only
  size_t history_limit_;
  std::map<ObjectKey, StoredPtr> objects_;
  std::unordered_map<std::string, ObjectKey> by_uid_;
  std::map<std::string, std::set<ObjectKey>> dependents_;  // owner's UID → objects
  std::deque<Change> history_;                             // versions compacted_ + 1 … version_
  uint64_t compacted_ = 1;
  uint64_t version_ = 1;
  uint64_t commits_ = 0;
};

}  // namespace pj::kube
