// Store: where the embedded API server keeps its objects between runs. One commit, one transaction.
// Internal to src/kube.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pj::kube {

// One object as it lies in the store. `removed` ones only raise the version.
struct StoreRow {
  std::string resource = {};
  std::string ns = {};
  std::string name = {};
  uint64_t version = 0;
  std::string_view text = {};  // owned by the caller for the time of the call
  bool removed = false;
};

// Not thread-safe: the server calls it under its lock.
class Store {
 public:
  virtual ~Store() = default;
  // Every object, in no order, and the highest version ever committed (0: a new store).
  virtual Result<uint64_t> Load(const std::function<Status(const StoreRow&)>& each) = 0;
  // All rows or none. After success they survive SIGKILL and power loss. After an error the store
  // is as before and goes on working once the cause is gone.
  virtual Status Commit(const std::vector<StoreRow>& rows) = 0;
};

// Opens or creates an SQLite file. kInvalid: not ours, or written by a newer program; kCorrupt:
// damaged.
Result<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path);

}  // namespace pj::kube
