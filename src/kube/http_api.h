// HttpApi: a real Kubernetes API server over HTTPS.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "kube/api.h"
#include "kube/client_config.h"

namespace pj::kube {

struct HttpApiOptions {
  const Clock* clock = nullptr;  // of credentials; null: SystemClock()
  Seconds connect_timeout{5};
  Seconds silence{30};         // between two pieces of an answer
  Seconds whole{60};           // of one answer
  Seconds watch_silence{150};  // bookmarks come about each minute
};

// A GET whose answer is no object: "/version", a container's log, what a pod serves through the
// API server ("/api/v1/namespaces/NS/pods/POD/proxy/…").
struct RawRequest {
  std::string path = {};  // with its query; PercentEncoded where it holds what others wrote
  Seconds silence{30};    // between two pieces; there is no limit on the whole
};
// Gets the pieces of a 2xx body; false ends the call (kUnavailable). Must not throw.
using RawReceiver = std::function<bool(std::string_view piece)>;
// As a part of a path or the value of a query.
std::string PercentEncoded(std::string_view text);

// Thread-safe. Servers are verified always. Requests share idle connections; each watch has a
// connection and a thread of its own and may outlive the Api.
//
// A request whose connection breaks is kUnavailable; only gets and lists are repeated by us. The
// library below may repeat any request once: a create must have a name of its own, so that the
// second one is AlreadyExists. What is no whole JSON object is no answer of an API server, and
// kUnavailable as well. Opening makes the process ignore SIGPIPE.
//
// OpenWatch returns at once. A watch that cannot be opened brings one kError event that says why (a
// Status of 503 if no server answered) and then ends.
class HttpApi : public Api {
 public:
  // kInvalid if the configuration cannot be used. Connects only when asked something.
  static Result<std::unique_ptr<HttpApi>> Open(const ClientConfig& config,
                                               const HttpApiOptions& options = {});

  // On a connection of its own. Without a receiver a 2xx body is in the answer, as it came; any
  // other answer is decoded as for Do.
  virtual Result<Response> GetRaw(const RawRequest& request, const RawReceiver& receiver = {}) = 0;
};

}  // namespace pj::kube
