// StoreClient: carries the ledger's calls to the Kubernetes API. One shard record = one ConfigMap.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/api.h"
#include "kube/objects.h"
#include "ledger/agent_core.h"
#include "ledger/record.h"

namespace pj::worker {

// The key of a ConfigMap's binaryData under which a ledger record lies.
inline constexpr char kRecordKey[] = "record";
inline constexpr char kJobLabel[] = "paralleljob.dev/job";

struct StoreTarget {
  kube::Api* api = nullptr;  // outlives the client
  std::string ns;
  std::string job;
  ledger::JobIdentity identity;  // owner of every object that is created
};

// Blocking; thread-safe as far as the Api is. Every outcome is a Reply: what the API could not say
// is kUnknown, what it refuses for good is kRejected with its message (no space left: see
// `no_space`).
class StoreClient {
 public:
  explicit StoreClient(StoreTarget target) : target_(std::move(target)) {}

  ledger::Reply Do(const ledger::Call& call);

  // Creates an immutable ConfigMap with text data; AlreadyExists gives the existing data instead.
  Result<std::map<std::string, std::string>> CreateOrRead(
      const std::string& what, const std::map<std::string, std::string>& data);

  // The last call failed because the storage is full: its error, once.
  std::optional<Error> TakeStorageError();

 private:
  kube::ConfigMap MapFor(const std::string& name) const;
  ledger::Reply Get(const ledger::Call& call);
  ledger::Reply Write(const ledger::Call& call);

  StoreTarget target_;
  std::optional<Error> storage_error_;
};

}  // namespace pj::worker
