// StoreClient: the ledger's calls as requests to the API. A record lies in a ConfigMap's
// binaryData["record"], labelled with its job.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "kube/api.h"
#include "ledger/agent_core.h"

namespace pj::worker {

inline constexpr char kJobLabel[] = "paralleljob.dev/job";
inline constexpr char kRecordKey[] = "record";

// Blocking; thread-safe as the Api is. The Api must outlive it.
class StoreClient {
 public:
  StoreClient(kube::Api* api, std::string ns, std::string job)
      : api_(api), ns_(std::move(ns)), job_(std::move(job)) {}

  ledger::Reply Do(const ledger::Call& call) const;

 private:
  kube::Request RequestFor(const ledger::Call& call) const;

  kube::Api* api_;
  std::string ns_;
  std::string job_;
};

}  // namespace pj::worker
