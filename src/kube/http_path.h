// Where a request goes: the parts of a server's address, and the path and query of an API call.
// Internal to src/kube.
#pragma once

#include <string>

#include "kube/api.h"
#include "kube/client_config.h"

namespace pj::kube {

// A server's address in parts, and the proxy on the way to it.
struct Endpoint {
  std::string host = {};  // IPv6 addresses without brackets
  int port = 443;
  std::string prefix = {};    // of all paths; "" or "/a/b"
  std::string tls_name = {};  // the certificate must be for it; never empty
  std::string proxy_host = {};
  int proxy_port = 0;
  std::string proxy_user = {};
  std::string proxy_password = {};
};

// kInvalid for an address or proxy that we cannot use.
Result<Endpoint> ParseEndpoint(const ClientConfig& config);

// "/api/v1/namespaces/ns/configmaps/x?…", everything from outside percent-encoded.
std::string PathOf(const Request& request);
std::string PathOf(const WatchRequest& request);

}  // namespace pj::kube
