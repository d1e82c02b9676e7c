#include "connect_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace pj::kube {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd Connect(int port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fd.Reset();
  }
  return fd;
}

bool Send(int fd, const std::string& bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace

ConnectProxy::ConnectProxy(std::string refusal)
    : refusal_(std::move(refusal)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener_.get(), plain, size), 0);
  EXPECT_EQ(::listen(listener_.get(), 8), 0);
  EXPECT_EQ(::getsockname(listener_.get(), plain, &size), 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

ConnectProxy::~ConnectProxy() {
  const uint64_t one = 1;
  EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  thread_.join();
}

std::vector<std::string> ConnectProxy::Asked() {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::string ConnectProxy::Carried() {
  const std::lock_guard lock(mutex_);
  return carried_;
}

void ConnectProxy::Run() {
  while (true) {
    pollfd polled[] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0) continue;
    if (polled[1].revents != 0) return;
    const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.valid()) Serve(client.get());
  }
}

// "CONNECT 127.0.0.1:1234 HTTP/1.1"
void ConnectProxy::Serve(int client) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && ::recv(client, &byte, 1, 0) == 1) head.push_back(byte);
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(head);
  }
  if (!refusal_.empty()) {
    Send(client, "HTTP/1.1 " + refusal_ + "\r\nContent-Length: 0\r\n\r\n");
    return;
  }
  const std::string begin = "CONNECT 127.0.0.1:";
  if (!head.starts_with(begin)) return;
  const UniqueFd server = Connect(std::atoi(head.c_str() + begin.size()));
  if (!server.valid() || !Send(client, "HTTP/1.1 200 Connection established\r\n\r\n")) return;
  Carry(client, server.get());
}

void ConnectProxy::Carry(int client, int server) {
  while (true) {
    pollfd polled[] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(polled, 3, -1) < 0) continue;
    if (polled[2].revents != 0) return;
    for (const bool up : {true, false}) {
      if (polled[up ? 0 : 1].revents == 0) continue;
      char piece[16384];
      const ssize_t size = ::recv(up ? client : server, piece, sizeof piece, 0);
      if (size <= 0) return;
      const std::string bytes(piece, static_cast<size_t>(size));
      if (up) {
        const std::lock_guard lock(mutex_);
        carried_ += bytes;
      }
      if (!Send(up ? server : client, bytes)) return;
    }
  }
}

}  // namespace pj::kube
