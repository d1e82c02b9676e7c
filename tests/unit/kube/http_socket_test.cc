// What HttpApi asks of its sockets, and what it does not ask of servers.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>
#include <vector>

#include "helpers.h"
#include "kube/http_api.h"
#include "tls_fixture.h"

namespace pj::kube {
namespace {

constexpr const char* kMap = R"({"kind":"ConfigMap","metadata":{"name":"a"}})";

// Of this process, connected to that port.
std::vector<int> SocketsTo(int port) {
  std::vector<int> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) out.push_back(fd);
  }
  return out;
}

int OptionOf(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

class HttpSocketTest : public TlsFixture {};

// A peer that vanished without a word is noticed within a minute, on connections that only wait,
// too: 30 s of silence, then three questions 10 s apart.
TEST_F(HttpSocketTest, TheKernelAsksWhetherThePeerIsThere) {
  TlsServer server(own_, [](TlsPeer& peer) {
    while (auto request = peer.Read()) {
      if (request->head.find("watch=true") == std::string::npos) {
        peer.Answer(200, kMap);
        continue;
      }
      peer.Begin();
      peer.Chunk(R"({"type":"ADDED","object":)" + std::string(kMap) + "}\n");
      peer.Hold();
    }
  });
  auto api = HttpApi::Open(Config(server)).value();
  Must(*api, GetOf("a"));
  auto watch = api->OpenWatch({.type = ConfigMaps(), .ns = "ns"});
  ASSERT_TRUE(watch && (*watch)->Next(Millis(20'000)));
  const std::vector<int> sockets = SocketsTo(server.port());
  EXPECT_GE(sockets.size(), 2u) << "one for requests, one for the watch";
  for (const int fd : sockets) {
    EXPECT_EQ(OptionOf(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    EXPECT_EQ(OptionOf(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
  }
}

// Later versions of the library hold a body of 1 KiB back for up to a second until the server says
// "100 Continue". An API server answers only what has come whole.
TEST_F(HttpSocketTest, BodiesDoNotWaitForAServersLeave) {
  std::string head;
  size_t body = 0;
  TlsServer server(own_, [&](TlsPeer& peer) {
    while (auto request = peer.Read()) {
      head = request->head;
      body = request->body.size();
      peer.Answer(201, kMap);
    }
  });
  auto api = HttpApi::Open(Config(server)).value();
  Must(*api, CreateOf(MakeMap("a", std::string(500'000, 'x'))));
  EXPECT_GT(body, 500'000u);
  EXPECT_EQ(head.find("100-continue"), std::string::npos) << head;
}

}  // namespace
}  // namespace pj::kube
