// Api: the one seam to a Kubernetes API, real (HttpApi) or embedded (MemoryApi). Requests and
// answers are data: JSON text in, JSON text and an HTTP status out; typed decoding happens at the
// edges.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace pj::kube {

// A resource as the API server knows it. `group` is empty for core/v1. Every kind of ours is
// namespaced.
struct ResourceType {
  std::string group = {};
  std::string version = {};
  std::string plural = {};
  std::string kind = {};
  bool operator==(const ResourceType&) const = default;
  auto operator<=>(const ResourceType&) const = default;

  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
};

const ResourceType& ConfigMaps();
const ResourceType& Leases();
const ResourceType& ParallelJobs();

enum class Verb { kGet, kList, kCreate, kUpdate, kUpdateStatus, kDelete };

// One request. `body` is the object's JSON for writes. kUpdate carries metadata.resourceVersion in
// its body when it must be a compare-and-swap.
struct Request {
  Verb verb = Verb::kGet;
  ResourceType type = {};
  std::string ns = {};
  std::string name = {};  // empty for kList and kCreate
  std::string body = {};
  std::string label_selector = {};    // kList: "a=b,c"
  std::string field_selector = {};    // kList: "metadata.name=x"
  std::string resource_version = {};  // kList: "" quorum, "0" any
  int limit = 0;                      // kList: 0 = all
  std::string continue_token = {};    // kList
  std::string precondition_uid = {};  // kDelete: only this UID
  // kDelete: instead of the object's own grace. 0: a pod goes at once, and no kubelet is asked
  // whether its containers have ended.
  std::optional<int64_t> grace_seconds = {};
};

// The answer: HTTP status code and body. For 2xx the object or list; else a metav1.Status.
struct Response {
  int code = 0;
  std::string body = {};
  std::string reason = {};  // metav1.Status reason: "AlreadyExists", "Conflict", "Expired" …
  std::string message = {};
  std::optional<Seconds> retry_after = {};
  bool ok() const { return code >= 200 && code < 300; }
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kBookmark;
  std::string object = {};  // JSON; kError: a metav1.Status (410 reason Expired …)
};

struct WatchRequest {
  ResourceType type = {};
  std::string ns = {};
  std::string label_selector = {};
  std::string field_selector = {};
  std::string resource_version = {};  // events after this version
  bool bookmarks = true;
  Seconds timeout{300};
};

// A running watch. One thread calls Next; any thread may call Stop.
class Watch {
 public:
  virtual ~Watch() = default;
  // The next event, or nothing when `wait` passed or the watch has ended (then Ended() is true).
  virtual std::optional<WatchEvent> Next(Millis wait) = 0;
  virtual bool Ended() const = 0;
  virtual void Stop() = 0;
};

// Thread-safe. An Error of kUnavailable means that the outcome is unknown: the request may have
// been carried out; any other Error is the embedded store's own failure (full disk, damage), which
// asking again does not mend. Everything that the server said, bad news too, is a Response.
class Api {
 public:
  virtual ~Api() = default;
  virtual Result<Response> Do(const Request& request) = 0;
  virtual Result<std::unique_ptr<Watch>> OpenWatch(const WatchRequest& request) = 0;
};

}  // namespace pj::kube
