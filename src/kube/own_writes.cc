#include "kube/own_writes.h"

namespace pj::kube {

// Versions are decimal numbers that only grow; as texts, so that no size is assumed.
bool HasReached(const std::string& version, const std::string& wanted) {
  if (version.size() != wanted.size()) return version.size() > wanted.size();
  return version >= wanted;
}

void OwnWrites::Wrote(const std::string& key, const CacheView& cache, const std::string& version) {
  std::lock_guard lock(mutex_);
  std::string& wanted = pending_[key].versions[&cache];
  if (HasReached(version, wanted)) wanted = version;
}

void OwnWrites::Deleted(const std::string& key, const CacheView& cache, const std::string& ns,
                        const std::string& name, const std::string& uid) {
  std::lock_guard lock(mutex_);
  pending_[key].deletions.push_back({&cache, ns, name, uid});
}

bool OwnWrites::Seen(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto found = pending_.find(key);
  if (found == pending_.end()) return true;
  Pending& pending = found->second;
  std::erase_if(pending.versions,
                [](const auto& entry) { return HasReached(entry.first->Version(), entry.second); });
  std::erase_if(pending.deletions, [](const Deletion& gone) {
    return gone.cache->UidOf(gone.ns, gone.name) != gone.uid;
  });
  if (!pending.versions.empty() || !pending.deletions.empty()) return false;
  pending_.erase(found);
  return true;
}

void OwnWrites::Forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  pending_.erase(key);
}

}  // namespace pj::kube
