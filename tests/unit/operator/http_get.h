// HttpGet: one plain request to this machine, and all of the answer.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/fs.h"

namespace pj::op {

// A connection to 127.0.0.1, or to ::1; nothing when nobody listens on `port` there.
inline UniqueFd ConnectHere(int port, int family) {
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(port));
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  const int done = family == AF_INET
                       ? ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4)
                       : ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  return done == 0 ? std::move(socket) : UniqueFd();
}

// Status line, headers and body; empty when nobody listens on `port`.
inline std::string HttpGet(int port, const std::string& path, int family = AF_INET) {
  const UniqueFd socket = ConnectHere(port, family);
  if (socket.get() < 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return answer;
    answer.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace pj::op
