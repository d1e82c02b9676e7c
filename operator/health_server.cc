#include "operator/health_server.h"

#include <fmt/core.h>
#include <httplib.h>

#include <atomic>
#include <charconv>
#include <thread>

#include "base/bind_http.h"

namespace pj::op {
namespace {

constexpr size_t kThreads = 2;  // it faces probes and one scraper

class Server : public HealthServer {
 public:
  explicit Server(HealthAnswers answers) : answers_(std::move(answers)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_keep_alive_max_count(1);
    AddCheck("/healthz", answers_.healthy);
    AddCheck("/readyz", answers_.ready);
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(answers_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
  }

  ~Server() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status Listen(const std::string& host, int port) {
    port_ = BindHttp(server_, host, port);
    if (port_ == 0) {
      return Fail(Code::kUnavailable, "cannot listen", fmt::format("{}:{}", host, port),
                  "is the port taken? Set --health-address");
    }
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    while (!server_.is_running() && !ended_) std::this_thread::yield();  // stop() needs it to run
    return {};
  }

  int port() const override { return port_; }

 private:
  void AddCheck(const char* path, const std::function<bool()>& good) {
    server_.Get(path, [&good](const httplib::Request&, httplib::Response& response) {
      const bool well = good();
      response.status = well ? 200 : 503;
      response.set_content(well ? "ok\n" : "not yet\n", "text/plain");
    });
  }

  HealthAnswers answers_;
  httplib::Server server_;
  int port_ = 0;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HealthServer>> HealthServer::Start(const std::string& address,
                                                          HealthAnswers answers) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos) {
    const char* end = address.data() + address.size();
    const auto [rest, error] = std::from_chars(address.data() + colon + 1, end, port);
    if (error != std::errc() || rest != end) port = -1;
  }
  std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of("[]:") != std::string::npos) {
    port = -1;  // of "::1:80" nobody knows where the port begins
  }
  if (port < 0 || port > 65535) {
    return Fail(Code::kInvalid, "is no address", address,
                "write HOST:PORT, [IPv6 ADDRESS]:PORT, or :PORT for all addresses");
  }
  auto server = std::make_unique<Server>(std::move(answers));
  PJ_TRY(server->Listen(host, port));
  return server;
}

}  // namespace pj::op
