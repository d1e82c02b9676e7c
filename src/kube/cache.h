// Cache: the latest known state of one resource's objects, as slim structs, and who changed what.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kube/reflector.h"

namespace pj::kube {

// True if `version` is `wanted` or a later one of the same resource.
bool HasReached(const std::string& version, const std::string& wanted);

// What own_writes.h needs to know of a cache. Thread-safe.
class CacheView {
 public:
  virtual ~CacheView() = default;
  // Everything up to this version is in the cache; empty before the first list.
  virtual std::string Version() const = 0;
  // The UID of the object of that name; empty if there is none.
  virtual std::string UidOf(const std::string& ns, const std::string& name) const = 0;
};

// One object's change. `before` is null for a new object, `after` for a vanished one. An object
// that came back with another UID is told as two changes.
template <class T>
struct CacheChange {
  std::shared_ptr<const T> before;
  std::shared_ptr<const T> after;
};

// T has a member `meta` with name, ns, uid and resource_version (kube::Meta, or slimmer). Readers
// may be any threads; the objects they hold never change.
template <class T>
class Cache : public ReflectorSink, public CacheView {
 public:
  using Ptr = std::shared_ptr<const T>;
  using Decoder = std::function<Result<T>(std::string_view json)>;
  // Called by the reflector's thread when the cache holds the change; must not wait.
  using Listener = std::function<void(const CacheChange<T>&)>;

  // Items of lists come without kind and apiVersion: `decode` must not ask for them.
  explicit Cache(Decoder decode, Listener listener = {})
      : decode_(std::move(decode)), listener_(std::move(listener)) {}

  Ptr Get(const std::string& ns, const std::string& name) const {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find({ns, name});
    return found == objects_.end() ? nullptr : found->second;
  }
  // All objects, by namespace and name.
  std::vector<Ptr> All() const {
    std::lock_guard lock(mutex_);
    std::vector<Ptr> out;
    out.reserve(objects_.size());
    for (const auto& [key, object] : objects_) out.push_back(object);
    return out;
  }
  size_t Size() const {
    std::lock_guard lock(mutex_);
    return objects_.size();
  }
  std::string Version() const override {
    std::lock_guard lock(mutex_);
    return version_;
  }
  std::string UidOf(const std::string& ns, const std::string& name) const override {
    const Ptr object = Get(ns, name);
    return object == nullptr ? std::string() : object->meta.uid;
  }

  void BeginList() override { listed_.clear(); }
  Status ListItem(std::string_view json) override {
    PJ_ASSIGN(T object, decode_(json));
    Key key{object.meta.ns, object.meta.name};
    listed_[std::move(key)] = std::make_shared<const T>(std::move(object));
    return {};
  }
  void EndList(const std::string& version) override;
  Status Apply(WatchEvent::Type type, std::string_view json, const std::string& version) override;
  void Reach(const std::string& version) override {
    std::lock_guard lock(mutex_);
    version_ = version;
  }

 private:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  using Objects = std::map<Key, Ptr>;

  void Tell(const Ptr& before, const Ptr& after) const;

  const Decoder decode_;
  const Listener listener_;
  mutable std::mutex mutex_;
  Objects objects_;
  std::string version_;
  Objects listed_;  // of the list that is being read
};

// A list is compared with what we hold: what it lacks was deleted while nobody watched.
template <class T>
void Cache<T>::EndList(const std::string& version) {
  Objects before = std::exchange(listed_, {});
  {
    std::lock_guard lock(mutex_);
    std::swap(objects_, before);
    version_ = version;
  }
  // Only this thread changes objects_.
  for (const auto& [key, old] : before) {
    if (!objects_.contains(key)) Tell(old, nullptr);
  }
  for (const auto& [key, object] : objects_) {
    const auto old = before.find(key);
    Tell(old == before.end() ? nullptr : old->second, object);
  }
}

template <class T>
Status Cache<T>::Apply(WatchEvent::Type type, std::string_view json, const std::string& version) {
  PJ_ASSIGN(T object, decode_(json));
  const Key key{object.meta.ns, object.meta.name};
  Ptr after =
      type == WatchEvent::Type::kDeleted ? nullptr : std::make_shared<const T>(std::move(object));
  Ptr before;
  {
    std::lock_guard lock(mutex_);
    if (const auto found = objects_.find(key); found != objects_.end()) before = found->second;
    if (after != nullptr) {
      objects_[key] = after;
    } else {
      objects_.erase(key);
    }
    version_ = version;
  }
  Tell(before, after);
  return {};
}

template <class T>
void Cache<T>::Tell(const Ptr& before, const Ptr& after) const {
  if (!listener_ || (before == nullptr && after == nullptr)) return;
  if (before != nullptr && after != nullptr) {
    if (before->meta.uid != after->meta.uid) {
      listener_({before, nullptr});
      return listener_({nullptr, after});
    }
    if (before->meta.resource_version == after->meta.resource_version) return;
  }
  listener_({before, after});
}

}  // namespace pj::kube
