// BindHttp: gives an HTTP server its port, on both families of addresses if it is to listen on all.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

namespace pj {

// `Server` is httplib's, which no header includes. `host`: a name or an address; empty: all there
// are, IPv6 and IPv4, whichever the kernel has. Port 0: a free one. Returns the port, or 0 when it
// cannot be had.
template <class Server>
int BindHttp(Server& server, const std::string& host, int port) {
  server.set_socket_options([](int socket) {
    const int yes = 1;
    const int no = 0;
    // Not SO_REUSEPORT, as the library has it: two processes would share one port without a word.
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    // "::" means IPv4 as well, whatever net.ipv6.bindv6only says; no matter on an IPv4 socket.
    ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  });
  const auto bind = [&server, port](const std::string& at) {
    if (port == 0) return server.bind_to_any_port(at);
    return server.bind_to_port(at, port) ? port : 0;
  };
  int bound = bind(host.empty() ? "::" : host);
  if (bound <= 0 && host.empty()) bound = bind("0.0.0.0");
  return bound > 0 ? bound : 0;
}

}  // namespace pj
