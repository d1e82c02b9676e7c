// HttpApi through a proxy (kubeconfig's proxy-url): TLS to the API server inside a CONNECT.
#include <gmock/gmock.h>

#include "connect_proxy.h"
#include "helpers.h"
#include "kube/http_api.h"
#include "tls_fixture.h"

namespace pj::kube {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ThroughProxy : public TlsFixture {
 protected:
  ClientConfig ConfigThrough(const ConnectProxy& proxy, const std::string& user = {}) const {
    ClientConfig config = Config(server_);
    config.token = "secret-token";
    config.proxy_url = "http://" + user + proxy.address();
    return config;
  }

  TlsServer server_{own_, [](TlsPeer& peer) {
                      while (const auto request = peer.Read()) {
                        const bool known =
                            request->head.find("Bearer secret-token\r\n") != std::string::npos;
                        if (request->head.find("watch=") != std::string::npos) {
                          peer.Begin();
                          peer.Chunk(R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})"
                                     "\n");
                          peer.Hold();
                          return;
                        }
                        peer.Answer(known ? 200 : 401, R"({"kind":"ConfigMap"})");
                      }
                    }};
};

TEST_F(ThroughProxy, RequestsGoInsideATunnelThatKeepsTheirSecrets) {
  ConnectProxy proxy;
  {
    const auto api = HttpApi::Open(ConfigThrough(proxy, "me:pass@"));
    ASSERT_TRUE(api) << api.error().ToString();
    EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
    EXPECT_EQ(Must(**api, CreateOf(MakeMap("b"))).code, 200);
  }
  const std::string server = "127.0.0.1:" + std::to_string(server_.port());
  ASSERT_FALSE(proxy.Asked().empty());
  EXPECT_THAT(proxy.Asked(), Each(StartsWith("CONNECT " + server + " HTTP/1.1\r\n")));
  EXPECT_THAT(proxy.Asked(), Each(HasSubstr("Proxy-Authorization: Basic bWU6cGFzcw==\r\n")));
  EXPECT_THAT(proxy.Asked(), Each(Not(HasSubstr("secret-token"))));
  EXPECT_THAT(proxy.Carried(), Not(HasSubstr("secret-token")));
  EXPECT_GT(proxy.Carried().size(), 100U);
}

TEST_F(ThroughProxy, WatchesToo) {
  ConnectProxy proxy;
  const auto api = HttpApi::Open(ConfigThrough(proxy));
  ASSERT_TRUE(api) << api.error().ToString();
  const auto watch = (*api)->OpenWatch({.type = ConfigMaps(), .ns = "ns"});
  ASSERT_TRUE(watch);
  const auto event = (*watch)->Next(Millis(30'000));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, WatchEvent::Type::kAdded) << event->object;
  EXPECT_EQ(proxy.Asked().size(), 1U);
}

// The proxy is trusted with nothing: who stands behind it must have the right certificate.
TEST_F(ThroughProxy, TheServersCertificateIsVerified) {
  ConnectProxy proxy;
  ClientConfig config = ConfigThrough(proxy);
  config.ca.text = MakeCertificate("other", "", nullptr, true).certificate_pem;
  const auto api = HttpApi::Open(config);
  ASSERT_TRUE(api);
  const auto answer = (*api)->Do(GetOf("a"));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("not one to trust"));
}

TEST_F(ThroughProxy, ARefusalNamesTheProxy) {
  ConnectProxy proxy("403 Forbidden");
  const auto api = HttpApi::Open(ConfigThrough(proxy));
  ASSERT_TRUE(api);
  const auto answer = (*api)->Do(GetOf("a"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("through the proxy " + proxy.address()));
}

}  // namespace
}  // namespace pj::kube
