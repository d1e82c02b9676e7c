// TlsServer: an HTTPS server on loopback that answers as a test tells it, well or badly; and the
// certificates for it, made on the spot.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fs.h"

typedef struct ssl_st SSL;
typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace pj::kube {

// A certificate with its key, and its PEM texts.
struct TestCertificate {
  std::shared_ptr<X509> x509;
  std::shared_ptr<EVP_PKEY> key;
  std::string certificate_pem;
  std::string key_pem;
};

// `names`: "IP:127.0.0.1,DNS:api"; `issuer` null: signs itself. An authority may sign others. Ends
// in so many seconds: below 0, it has ended.
TestCertificate MakeCertificate(const std::string& subject, const std::string& names,
                                const TestCertificate* issuer, bool authority = false,
                                long seconds = 3600);

struct HttpText {
  std::string head;  // request line and headers
  std::string body;
};

// One connection, seen by the server's thread for it.
class TlsPeer {
 public:
  explicit TlsPeer(SSL* ssl) : ssl_(ssl) {}
  // The next request; nothing when the client has gone.
  std::optional<HttpText> Read();
  bool Write(const std::string& bytes);
  // A whole answer; `headers` end in \r\n.
  bool Answer(int code, const std::string& body, const std::string& headers = {});
  // The beginning of a chunked answer, a chunk of it, and its end.
  bool Begin(int code = 200);
  bool Chunk(const std::string& bytes);
  bool End() { return Write("0\r\n\r\n"); }
  // Until the client is gone, or the server stops.
  void Hold();
  // Certificates that the client has sent.
  int ClientChain() const;

 private:
  SSL* ssl_;
  std::string buffer_;
};

struct TlsServerOptions {
  std::string client_ca = {};  // asks for client certificates of this authority
  std::string chain = {};      // PEM of what comes between our certificate and the authority
};

// Each connection has a thread that runs `serve`. Stops when destroyed.
class TlsServer {
 public:
  TlsServer(const TestCertificate& certificate, std::function<void(TlsPeer&)> serve,
            TlsServerOptions options = {});
  ~TlsServer();
  int port() const { return port_; }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void Accept();
  void Serve(int fd);

  std::function<void(TlsPeer&)> serve_;
  std::shared_ptr<void> context_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::vector<int> sockets_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace pj::kube
