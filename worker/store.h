// StoreClient: the ledger's calls as requests to the API. A record lies in a ConfigMap's
// binaryData["record"], a sign of life in a Lease; both labelled with their job and owned by it.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "job/job_objects.h"
#include "kube/api.h"
#include "ledger/agent_core.h"

namespace pj::worker {

using job::JobObjects;

// True if only a person can help: the store itself failed (full disk, I/O error, damage). False if
// the request may have been lost on its way, and asking again tells more.
bool StoreFailed(const Error& error);

// Blocking; thread-safe as the Api is. The Api must outlive it.
class StoreClient {
 public:
  StoreClient(kube::Api* api, JobObjects objects) : api_(api), objects_(std::move(objects)) {}

  // An Error is one of StoreFailed; all else is a Reply, lost requests as kUnknown.
  Result<ledger::Reply> Do(const ledger::Call& call) const;

 private:
  kube::Request RequestFor(const ledger::Call& call) const;
  std::string BodyFor(const ledger::Call& call) const;

  kube::Api* api_;
  JobObjects objects_;
};

}  // namespace pj::worker
