// What an HttpApi and its watches share: where the server is, and as whom we come. Internal to
// src/kube.
#pragma once

#include "kube/credentials.h"
#include "kube/http_api.h"

namespace pj::kube {

// Thread-safe.
struct HttpBackend {
  HttpBackend(const ClientConfig& config, Endpoint where, const HttpApiOptions& how)
      : endpoint(std::move(where)),
        options(how),
        credentials(config, how.clock != nullptr ? *how.clock : SystemClock()) {}

  const Endpoint endpoint;
  const HttpApiOptions options;
  Credentials credentials;
};

// The Status of an answer that is none of an API server (a proxy's page), or of no answer.
std::string StatusOf(const HttpAnswer& answer);
std::string StatusOf(const Error& error);

}  // namespace pj::kube
