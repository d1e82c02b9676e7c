// TlsTrust: whom a TLS connection trusts and as whom it comes, and why it did not trust a server.
// Internal to src/kube.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct x509_store_ctx_st X509_STORE_CTX;

namespace pj::kube {

// Who we are and whom we trust, as PEM texts; the names are for errors.
struct TlsIdentity {
  std::string ca = {};           // empty: the system's
  std::string certificate = {};  // with its chain; empty: none
  std::string key = {};
  std::string ca_name = {};
  std::string certificate_name = {};
  bool operator==(const TlsIdentity&) const = default;
};

// "the client certificate /f expired on 2026-01-31T12:00:00Z"; empty when it has not, or is none.
std::string ExpiredIdentity(const TlsIdentity& identity, WallTime now);

bool IsAddress(const std::string& host);

// For one connection, on its thread; lives longer than handshakes of the context. Stays in place.
class TlsTrust {
 public:
  TlsTrust() = default;
  TlsTrust(const TlsTrust&) = delete;
  TlsTrust& operator=(const TlsTrust&) = delete;

  // kInvalid if the identity cannot be used. `name`: that the server's certificate must have.
  Status Apply(SSL_CTX* context, const TlsIdentity& identity, const std::string& name);
  // What was wrong with the server's certificate in the last handshake that failed for it.
  const std::string& distrust() const { return distrust_; }

 private:
  static int Noted(int good, X509_STORE_CTX* context);
  void Note(X509_STORE_CTX* context);

  std::string ca_name_;
  std::string name_;
  std::string distrust_;
};

}  // namespace pj::kube
