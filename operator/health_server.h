// HealthServer: /healthz, /readyz and /metrics over plain HTTP, for the kubelet and Prometheus.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace pj::op {

struct HealthAnswers {
  std::function<bool()> healthy;
  std::function<bool()> ready;
  std::function<std::string()> metrics;
};

// Serves on a thread of its own from Start() until destroyed. The functions are called by that
// thread's workers.
class HealthServer {
 public:
  // `address`: "HOST:PORT", "[IPv6 address]:PORT" or ":PORT", which is all addresses of both
  // families; port 0: a free one.
  static Result<std::unique_ptr<HealthServer>> Start(const std::string& address,
                                                     HealthAnswers answers);
  virtual ~HealthServer() = default;
  virtual int port() const = 0;
};

}  // namespace pj::op
