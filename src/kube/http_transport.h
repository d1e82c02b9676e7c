// HttpConnection: one TLS connection to one server, over cpp-httplib: the only place that knows
// that library, and the cures for its traps. Internal to src/kube.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "kube/http_path.h"
#include "kube/tls_trust.h"

namespace pj::kube {

struct HttpTimeouts {
  Seconds connect{5};
  Seconds silence{30};             // between two pieces of an answer
  Seconds whole{60};               // of an answer that comes in pieces; 0: none (watches)
  size_t max_bytes = 256UL << 20;  // of one answer that is kept
};

struct HttpCall {
  std::string method = {};
  std::string path = {};
  std::string body = {};
  std::string token = {};
};

struct HttpAnswer {
  int status = 0;
  std::string body = {};
  std::optional<Seconds> retry_after = {};
};

// Gets the pieces of a 2xx body; false ends the call. Must not throw.
using HttpReceiver = std::function<bool(std::string_view piece)>;

// One thread calls Send; any may call Abort.
class HttpConnection {
 public:
  // kInvalid if the identity cannot be used. Nothing is connected yet.
  static Result<std::unique_ptr<HttpConnection>> Create(const Endpoint& endpoint,
                                                        const TlsIdentity& identity,
                                                        const HttpTimeouts& timeouts);
  virtual ~HttpConnection() = default;

  // With a receiver, a 2xx body goes to it instead of into the answer. kUnavailable if no whole
  // answer came: the call may have been carried out, even twice, for the library repeats calls
  // whose connection was closed. kForbidden if the server is not one to trust: it got nothing.
  virtual Result<HttpAnswer> Send(const HttpCall& call, const HttpReceiver& receiver = {}) = 0;
  // Ends a running Send at once, and every later one. Does not wait.
  virtual void Abort() = 0;
};

}  // namespace pj::kube
