// Create, update and delete of the embedded API server, each one transaction. Internal to src/kube;
// include in .cc files only (JSON).
#pragma once

#include <string>

#include "base/clock.h"
#include "base/rng.h"
#include "kube/admission.h"
#include "kube/object_table.h"

namespace pj::kube {

// Not thread-safe: the server calls it under the table's lock. Lives as long as the table.
class Writer {
 public:
  // `uid_seed` 0: UIDs from the system's randomness.
  Writer(ObjectTable& table, const Clock& clock, uint64_t uid_seed);

  Result<Response> Create(const Request& request, Tree object);
  Result<Response> Update(const Request& request, Tree object);
  Result<Response> Delete(const Request& request);

 private:
  Result<Response> Store(const Request& request, const StoredPtr& old, Tree object);
  Result<Response> FinishDeletion(const Request& request, const StoredPtr& old, Tree object);
  void Remove(const StoredPtr& object, std::vector<Change>& changes);
  void MarkDeleting(const StoredPtr& object, std::vector<Change>& changes);
  void Collect(const std::string& owner_uid, std::vector<Change>& changes);
  void DropOwner(const StoredPtr& object, const std::string& uid, std::vector<Change>& changes);
  std::string NewUid();
  std::string Now() const;

  ObjectTable& table_;
  const Clock& clock_;
  Rng rng_;
};

}  // namespace pj::kube
