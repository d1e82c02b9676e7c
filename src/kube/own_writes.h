// OwnWrites: read-your-own-writes. A reconciler that acts before its caches show what it did last
// would do it twice; it asks here first.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "kube/cache.h"

namespace pj::kube {

// Thread-safe. `key` is the reconciler's; the caches live longer.
class OwnWrites {
 public:
  // A create or update was answered with this resourceVersion: wait until `cache` has reached it.
  void Wrote(const std::string& key, const CacheView& cache, const std::string& version);
  // An object was deleted: wait until `cache` has lost the one with this UID.
  void Deleted(const std::string& key, const CacheView& cache, const std::string& ns,
               const std::string& name, const std::string& uid);

  // True when the caches show every write of `key`; what they show is forgotten.
  bool Seen(const std::string& key);
  void Forget(const std::string& key);

 private:
  struct Deletion {
    const CacheView* cache;
    std::string ns;
    std::string name;
    std::string uid;
  };
  struct Pending {
    std::map<const CacheView*, std::string> versions;
    std::vector<Deletion> deletions;
  };

  std::mutex mutex_;
  std::map<std::string, Pending> pending_;
};

}  // namespace pj::kube
