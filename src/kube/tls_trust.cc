#include "kube/tls_trust.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

namespace pj::kube {
namespace {

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* object) const { Free(object); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using CertificateStore = std::unique_ptr<X509_STORE, Freed<X509_STORE, X509_STORE_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Memory = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;

Memory Open(const std::string& pem) {
  return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// No terminal is asked for a password.
int NoPassword(char*, int, int, void*) { return -1; }

Certificate NextCertificate(BIO* pem) {
  return Certificate(PEM_read_bio_X509(pem, nullptr, NoPassword, nullptr));
}

WallTime TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return WallTime(Seconds(timegm(&parts)));
}

std::string SubjectOf(const X509* certificate) {
  char text[256] = "";
  X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof text);
  return text;
}

// Where a store keeps the TlsTrust that is to be told.
int StoreIndex() {
  static const int index = X509_STORE_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void Tell(X509_STORE* store, TlsTrust* trust, int (*noted)(int, X509_STORE_CTX*)) {
  X509_STORE_set_ex_data(store, StoreIndex(), trust);
  X509_STORE_set_verify_cb(store, noted);
}

// The library adds the system's authorities to the context's store: ours must be the only ones.
Result<CertificateStore> StoreOf(const TlsIdentity& identity) {
  CertificateStore store(X509_STORE_new());
  const Memory pem = Open(identity.ca);
  int count = 0;
  while (const Certificate one = NextCertificate(pem.get())) {
    count += X509_STORE_add_cert(store.get(), one.get());
  }
  ERR_clear_error();
  if (count > 0) return store;
  return Fail(Code::kInvalid, "no certificate in PEM form",
              fmt::format("certificate-authority {}", identity.ca_name));
}

// The library's own way would send the first certificate only, without its chain.
Status Identify(SSL_CTX* context, const TlsIdentity& identity) {
  if (identity.certificate.empty()) return {};
  const Memory chain = Open(identity.certificate);
  const Certificate own = NextCertificate(chain.get());
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) {
    return Fail(Code::kInvalid, "no certificate in PEM form",
                fmt::format("client-certificate {}", identity.certificate_name));
  }
  while (const Certificate issuer = NextCertificate(chain.get())) {
    SSL_CTX_add1_chain_cert(context, issuer.get());
  }
  ERR_clear_error();
  const Memory text = Open(identity.key);
  const PrivateKey key(PEM_read_bio_PrivateKey(text.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return Fail(Code::kInvalid, "no private key in PEM form", "client-key");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    ERR_clear_error();
    return Fail(Code::kInvalid, "the key does not belong to the certificate", "client-key");
  }
  return {};
}

// OpenSSL itself checks the name too, and never looks at the subject's common name.
void DemandName(SSL_CTX* context, const std::string& name) {
  X509_VERIFY_PARAM* const demands = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(demands, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (IsAddress(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(demands, name.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(demands, name.c_str(), name.size());
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

}  // namespace

bool IsAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string ExpiredIdentity(const TlsIdentity& identity, WallTime now) {
  if (identity.certificate.empty()) return {};
  const Memory pem = Open(identity.certificate);
  const Certificate own = NextCertificate(pem.get());
  ERR_clear_error();
  if (own == nullptr) return {};
  const WallTime end = TimeOf(X509_get0_notAfter(own.get()));
  if (now <= end) return {};
  return fmt::format("the client certificate {} expired on {}", identity.certificate_name,
                     FormatRfc3339Seconds(end));
}

Status TlsTrust::Apply(SSL_CTX* context, const TlsIdentity& identity, const std::string& name) {
  ca_name_ = identity.ca_name;
  name_ = name;
  if (!identity.ca.empty()) {
    PJ_ASSIGN(const CertificateStore store, StoreOf(identity));
    SSL_CTX_set1_verify_cert_store(context, store.get());
    Tell(store.get(), this, Noted);
  }
  Tell(SSL_CTX_get_cert_store(context), this, Noted);
  PJ_TRY(Identify(context, identity));
  DemandName(context, name);
  return {};
}

int TlsTrust::Noted(int good, X509_STORE_CTX* context) {
  X509_STORE* const store = X509_STORE_CTX_get0_store(context);
  auto* const self = static_cast<TlsTrust*>(X509_STORE_get_ex_data(store, StoreIndex()));
  if (good == 0 && self != nullptr) self->Note(context);
  return good;
}

void TlsTrust::Note(X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  const X509* const certificate = X509_STORE_CTX_get_current_cert(context);
  distrust_ = X509_verify_cert_error_string(error);
  if (certificate == nullptr) return;
  const std::string subject = X509_STORE_CTX_get_error_depth(context) == 0
                                  ? "it"
                                  : fmt::format("its authority {}", SubjectOf(certificate));
  const auto date = [](const ASN1_TIME* time) { return FormatRfc3339Seconds(TimeOf(time)); };
  if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
    distrust_ = fmt::format("{} expired on {}", subject, date(X509_get0_notAfter(certificate)));
  } else if (error == X509_V_ERR_CERT_NOT_YET_VALID) {
    distrust_ = fmt::format("{} is not valid before {}: is this machine's clock right?", subject,
                            date(X509_get0_notBefore(certificate)));
  } else if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    distrust_ = fmt::format("it is not for {}", name_);
  }
  distrust_ += fmt::format(" (trusted: {})", ca_name_);
}

}  // namespace pj::kube
