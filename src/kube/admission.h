// What an API server does to an object before it stores it: decoding, pruning, checking, and the
// fields that only the server sets. Internal to src/kube; include in .cc files only (JSON).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kube/answers.h"
#include "kube/stored.h"

namespace pj::kube {

inline constexpr size_t kRequestBytes = 3 << 20;

// How a kind differs from the others. Kinds that are not built in are custom resources.
struct Traits {
  bool builtin = false;  // unknown fields are dropped
  bool status = false;   // has the status subresource
  bool generation = false;
  bool update_without_version = false;
  bool create_on_update = false;
};
Traits TraitsOf(const ResourceType& type);

// Parses the request's body (400, 413 when that fails; then `refusal` is set) into a tree without
// apiVersion and kind, with name and namespace filled in.
struct Decoded {
  Tree tree;
  std::optional<Response> refusal;
};
Decoded DecodeBody(const Request& request);

// The complaints of a 422; `old` is the stored object of an update, else null.
std::vector<Cause> Validate(const ResourceType& type, const Tree& object, const Tree* old);

// Sets what only the server sets on a new object.
struct NewObject {
  std::string uid;
  std::string now;  // RFC 3339, whole seconds
};
void PrepareCreate(const ResourceType& type, const NewObject& server, Tree& object);
// Keeps of `old` what an update (or an update of status) cannot change.
void PrepareUpdate(const ResourceType& type, const Tree& old, bool status, Tree& object);

}  // namespace pj::kube
