#include "operator/health_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/operator/http_get.h"

namespace pj::op {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HealthServerTest : public testing::Test {
 protected:
  std::unique_ptr<HealthServer> Start(const std::string& address) {
    return HealthServer::Start(address, {.healthy = [] { return true; },
                                         .ready = [this] { return ready_.load(); },
                                         .metrics = [] { return std::string("a_total 7\n"); }})
        .value();
  }
  std::atomic<bool> ready_{false};
};

TEST_F(HealthServerTest, TellsTheKubeletAndPrometheus) {
  const auto server = Start("127.0.0.1:0");
  EXPECT_THAT(HttpGet(server->port(), "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HttpGet(server->port(), "/readyz"), StartsWith("HTTP/1.1 503"));
  ready_ = true;
  EXPECT_THAT(HttpGet(server->port(), "/readyz"), StartsWith("HTTP/1.1 200"));
  const std::string metrics = HttpGet(server->port(), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("a_total 7\n"));
  EXPECT_THAT(HttpGet(server->port(), "/else"), StartsWith("HTTP/1.1 404"));
}

// A kubelet of an IPv6 cluster asks the pod's IPv6 address.
TEST_F(HealthServerTest, WithoutAHostItListensEverywhere) {
  const auto server = Start(":0");
  EXPECT_THAT(HttpGet(server->port(), "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HttpGet(server->port(), "/healthz", AF_INET6), StartsWith("HTTP/1.1 200"));
}

TEST_F(HealthServerTest, AnIPv6AddressStandsInBrackets) {
  const auto server = Start("[::1]:0");
  EXPECT_THAT(HttpGet(server->port(), "/healthz", AF_INET6), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(HttpGet(server->port(), "/healthz"), "") << "nowhere else";
}

TEST_F(HealthServerTest, ItsPortIsFreeAgainAfterwards) {
  auto server = Start("127.0.0.1:0");
  const int port = server->port();
  server.reset();
  EXPECT_EQ(HttpGet(port, "/healthz"), "");
}

TEST_F(HealthServerTest, AWrongAddressSaysHowToWriteIt) {
  for (const char* address :
       {"", "8080", "x:", "x:y", ":70000", ":-1", ":1x", "::1:80", "[::1]", "[::1:80"}) {
    const auto server = HealthServer::Start(address, {});
    ASSERT_FALSE(server) << address;
    EXPECT_THAT(server.error().ToString(), HasSubstr("HOST:PORT")) << address;
  }
}

TEST_F(HealthServerTest, ATakenPortIsAnError) {
  const auto server = Start("127.0.0.1:0");
  const auto second = HealthServer::Start("127.0.0.1:" + std::to_string(server->port()), {});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().ToString(), HasSubstr("--health-address"));
}

}  // namespace
}  // namespace pj::op
