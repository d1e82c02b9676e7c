// ConnectProxy: a plain HTTP proxy on loopback that knows CONNECT, and notes what it was asked.
#pragma once

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fs.h"

namespace pj::kube {

// Carries one connection at a time. Stops when destroyed.
class ConnectProxy {
 public:
  // `refusal`: a status line to answer with instead ("403 Forbidden").
  explicit ConnectProxy(std::string refusal = {});
  ~ConnectProxy();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // The heads of all requests to the proxy itself.
  std::vector<std::string> Asked();
  // All bytes that clients sent through it.
  std::string Carried();

 private:
  void Run();
  void Serve(int client);
  void Carry(int client, int server);

  const std::string refusal_;
  UniqueFd listener_;
  UniqueFd stop_;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<std::string> asked_;  // guarded by mutex_, as the next
  std::string carried_;
  std::thread thread_;
};

}  // namespace pj::kube
