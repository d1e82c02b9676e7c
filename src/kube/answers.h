// The metav1.Status answers of an API server, each with its code, reason, message and details.
// Internal to src/kube.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/api.h"

namespace pj::kube {

// One complaint of a 422: `reason` as in metav1.StatusCause ("FieldValueInvalid" …).
struct Cause {
  std::string reason;
  std::string field;
  std::string message;
};

Response NotFound(const ResourceType& type, const std::string& name);
Response NoSuchPath();
Response AlreadyExists(const ResourceType& type, const std::string& name, bool deleting);
Response Conflict(const ResourceType& type, const std::string& name, const std::string& why);
Response Invalid(const ResourceType& type, const std::string& name,
                 const std::vector<Cause>& causes);
Response BadRequest(const std::string& message);
Response TooLarge(size_t limit);
Response Expired(const std::string& message, const std::string& continue_token = {});
Response VersionFromTheFuture(uint64_t wanted, uint64_t current);
Response TooManyRequests();
Response ServerError(const std::string& message);
Response Deleted(const ResourceType& type, const std::string& name, const std::string& uid);

// What a stale resourceVersion is answered with.
inline constexpr std::string_view kStale =
    "the object has been modified; please apply your changes to the latest version and try again";

}  // namespace pj::kube
