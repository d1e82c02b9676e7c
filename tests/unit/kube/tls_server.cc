#include "tls_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace pj::kube {
namespace {

std::string Pem(const std::function<void(BIO*)>& write) {
  BIO* memory = BIO_new(BIO_s_mem());
  write(memory);
  char* data = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(memory, &data));
  std::string out(data, size);
  BIO_free(memory);
  return out;
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::vector<X509*> Certificates(const std::string& pem) {
  std::vector<X509*> out;
  BIO* memory = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  while (X509* one = PEM_read_bio_X509(memory, nullptr, nullptr, nullptr)) out.push_back(one);
  BIO_free(memory);
  return out;
}

SSL_CTX* MakeContext(const TestCertificate& certificate, const TlsServerOptions& options) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, certificate.x509.get());
  SSL_CTX_use_PrivateKey(context, certificate.key.get());
  for (X509* one : Certificates(options.chain)) SSL_CTX_add0_chain_cert(context, one);
  for (X509* one : Certificates(options.client_ca)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one);
    X509_free(one);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

}  // namespace

TestCertificate MakeCertificate(const std::string& subject, const std::string& names,
                                const TestCertificate* issuer, bool authority, long seconds) {
  static std::atomic<int> serial{1};
  TestCertificate out;
  out.key.reset(EVP_EC_gen("P-256"), EVP_PKEY_free);
  out.x509.reset(X509_new(), X509_free);
  X509* made = out.x509.get();
  X509_set_version(made, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made), seconds);
  X509_set_pubkey(made, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(issuer ? issuer->x509.get() : made));
  AddExtension(made, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) AddExtension(made, NID_subject_alt_name, names);
  X509_sign(made, issuer ? issuer->key.get() : out.key.get(), EVP_sha256());
  out.certificate_pem = Pem([&](BIO* to) { PEM_write_bio_X509(to, made); });
  out.key_pem = Pem([&](BIO* to) {
    PEM_write_bio_PrivateKey(to, out.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return out;
}

std::optional<HttpText> TlsPeer::Read() {
  const auto more = [this] {
    char piece[16384];
    const int size = SSL_read(ssl_, piece, sizeof piece);
    if (size <= 0) return false;
    buffer_.append(piece, static_cast<size_t>(size));
    return true;
  };
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) return std::nullopt;
  }
  HttpText out{.head = buffer_.substr(0, end + 2), .body = {}};
  const size_t at = out.head.find("Content-Length: ");
  const size_t length = at == std::string::npos ? 0 : std::stoul(out.head.substr(at + 16));
  while (buffer_.size() < end + 4 + length) {
    if (!more()) return std::nullopt;
  }
  out.body = buffer_.substr(end + 4, length);
  buffer_.erase(0, end + 4 + length);
  return out;
}

bool TlsPeer::Write(const std::string& bytes) {
  return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

bool TlsPeer::Answer(int code, const std::string& body, const std::string& headers) {
  return Write("HTTP/1.1 " + std::to_string(code) + " X\r\n" + headers +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

bool TlsPeer::Begin(int code) {
  return Write("HTTP/1.1 " + std::to_string(code) +
               " X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
}

bool TlsPeer::Chunk(const std::string& bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return Write(size + bytes + "\r\n");
}

void TlsPeer::Hold() {
  char byte;
  while (SSL_read(ssl_, &byte, 1) > 0) {
  }
}

int TlsPeer::ClientChain() const {
  STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl_);
  X509* own = SSL_get0_peer_certificate(ssl_);  // a server's chain is without it
  return (own != nullptr ? 1 : 0) + (chain != nullptr ? sk_X509_num(chain) : 0);
}

TlsServer::TlsServer(const TestCertificate& certificate, std::function<void(TlsPeer&)> serve,
                     TlsServerOptions options)
    : serve_(std::move(serve)) {
  context_.reset(MakeContext(certificate, options),
                 [](void* context) { SSL_CTX_free(static_cast<SSL_CTX*>(context)); });
  listener_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener_.get(), 64), 0);
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TlsServer::~TlsServer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int fd : sockets_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

void TlsServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    std::lock_guard lock(mutex_);
    if (stopping_) {
      close(fd);
      return;
    }
    sockets_.push_back(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void TlsServer::Serve(int fd) {
  SSL* ssl = SSL_new(static_cast<SSL_CTX*>(context_.get()));
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    TlsPeer peer(ssl);
    serve_(peer);
  }
  SSL_free(ssl);
  std::lock_guard lock(mutex_);
  std::erase(sockets_, fd);
  close(fd);
}

}  // namespace pj::kube
