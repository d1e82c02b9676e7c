#include "kube/http_api.h"

#include <fmt/core.h>

#include <mutex>
#include <vector>

#include "base/json.h"
#include "kube/http_watch.h"
#include "kube/json_text.h"
#include "kube/status.h"

namespace pj::kube {
namespace {

constexpr size_t kIdleConnections = 8;
constexpr size_t kShown = 200;

const char* MethodOf(Verb verb) {
  switch (verb) {
    case Verb::kGet:
    case Verb::kList:
      return "GET";
    case Verb::kCreate:
      return "POST";
    case Verb::kUpdate:
    case Verb::kUpdateStatus:
      return "PUT";
    case Verb::kDelete:
      return "DELETE";
  }
  return "GET";
}

std::string BodyOf(const Request& request) {
  if (request.verb != Verb::kDelete) return request.body;
  Json options{
      {"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", "Background"}};
  if (!request.precondition_uid.empty()) {
    options["preconditions"] = {{"uid", request.precondition_uid}};
  }
  if (request.grace_seconds) options["gracePeriodSeconds"] = *request.grace_seconds;
  return DumpJson(options);
}

Response ToResponse(HttpAnswer answer) {
  Response out;
  out.code = answer.status;
  out.retry_after = answer.retry_after;
  if (!out.ok()) {
    const ServerStatus status = ReadStatus(answer.body);
    out.reason = status.reason;
    out.message = status.message;
    if (!out.retry_after) out.retry_after = status.retry_after;
  }
  out.body = std::move(answer.body);
  return out;
}

// Connections that wait for a request, all of one identity.
class Pool {
 public:
  explicit Pool(HttpBackend& backend) : backend_(backend) {}

  struct Taken {
    std::unique_ptr<HttpConnection> connection;
    std::shared_ptr<const TlsIdentity> tls;
    bool used = false;  // it was open already, and may be dead
  };

  Result<Taken> Take(const std::shared_ptr<const TlsIdentity>& tls, bool fresh) {
    {
      std::lock_guard lock(mutex_);
      if (tls_ != tls || fresh) idle_.clear();
      tls_ = tls;
      if (!idle_.empty()) {
        Taken out{std::move(idle_.back()), tls, true};
        idle_.pop_back();
        return out;
      }
    }
    const HttpTimeouts timeouts{.connect = backend_.options.connect_timeout,
                                .silence = backend_.options.silence,
                                .whole = backend_.options.whole};
    PJ_ASSIGN(auto made, HttpConnection::Create(backend_.endpoint, *tls, timeouts));
    return Taken{std::move(made), tls, false};
  }
  void GiveBack(Taken taken) {
    std::lock_guard lock(mutex_);
    if (taken.tls == tls_ && idle_.size() < kIdleConnections) {
      idle_.push_back(std::move(taken.connection));
    }
  }

 private:
  HttpBackend& backend_;
  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> tls_;
  std::vector<std::unique_ptr<HttpConnection>> idle_;
};

class HttpApiImpl : public HttpApi {
 public:
  explicit HttpApiImpl(std::shared_ptr<HttpBackend> backend)
      : backend_(std::move(backend)), pool_(*backend_) {}

  Result<Response> Do(const Request& request) override;
  Result<std::unique_ptr<Watch>> OpenWatch(const WatchRequest& request) override {
    return std::make_unique<HttpWatch>(backend_, request);
  }
  Result<Response> GetRaw(const RawRequest& request, const RawReceiver& receiver) override;

 private:
  std::string WhyRefused();
  Result<HttpAnswer> Send(HttpCall call);
  Result<HttpAnswer> SendAs(HttpCall call, const Credentials::Now& as);

  const std::shared_ptr<HttpBackend> backend_;
  Pool pool_;
};

Result<Response> HttpApiImpl::Do(const Request& request) {
  const std::string path = PathOf(request);
  auto answer = Send({.method = MethodOf(request.verb), .path = path, .body = BodyOf(request)});
  // Nothing was asked of the server that could not be asked again.
  if (!answer) return Fail(Code::kUnavailable, answer.error().ToString());
  Response out = ToResponse(std::move(*answer));
  // A whole object, looked at as far as needed to know that nothing is missing.
  if (out.code == 401) out.message += WhyRefused();
  if (out.ok() && !JsonMember(out.body, "")) {
    return Fail(Code::kUnavailable,
                fmt::format("not an API server's answer: {}", out.body.substr(0, kShown)), path,
                "is there a proxy in between?");
  }
  return out;
}

// An API server takes who comes with an expired certificate for nobody, and does not say so.
std::string HttpApiImpl::WhyRefused() {
  const Result<Credentials::Now> as = backend_->credentials.Get();
  const std::string expired = as ? ExpiredIdentity(*as->tls, SystemClock().Wall()) : "";
  return expired.empty() ? "" : " (" + expired + ")";
}

Result<Response> HttpApiImpl::GetRaw(const RawRequest& request, const RawReceiver& receiver) {
  PJ_ASSIGN(const Credentials::Now as, backend_->credentials.Get());
  const HttpTimeouts timeouts{.connect = backend_->options.connect_timeout,
                              .silence = request.silence,
                              .whole = Seconds(0)};
  PJ_ASSIGN(const auto connection, HttpConnection::Create(backend_->endpoint, *as.tls, timeouts));
  auto answer =
      connection->Send({.method = "GET", .path = request.path, .token = as.token}, receiver);
  if (!answer) return Fail(Code::kUnavailable, answer.error().ToString());
  return ToResponse(std::move(*answer));
}

// A token may have been replaced a moment ago, and so may an authority.
Result<HttpAnswer> HttpApiImpl::Send(HttpCall call) {
  PJ_ASSIGN(Credentials::Now as, backend_->credentials.Get());
  auto answer = SendAs(call, as);
  if (!backend_->credentials.Renewed(as, answer)) return answer;
  PJ_ASSIGN(as, backend_->credentials.Get());
  return SendAs(std::move(call), as);
}

Result<HttpAnswer> HttpApiImpl::SendAs(HttpCall call, const Credentials::Now& as) {
  call.token = as.token;
  PJ_ASSIGN(Pool::Taken taken, pool_.Take(as.tls, false));
  auto answer = taken.connection->Send(call);
  // Connections that were idle may have died with their server; a read can be asked again.
  if (!answer && taken.used && call.method == "GET") {
    PJ_ASSIGN(taken, pool_.Take(as.tls, true));
    answer = taken.connection->Send(call);
  }
  if (answer) pool_.GiveBack(std::move(taken));
  return answer;
}

}  // namespace

Result<std::unique_ptr<HttpApi>> HttpApi::Open(const ClientConfig& config,
                                               const HttpApiOptions& options) {
  PJ_ASSIGN(Endpoint endpoint, ParseEndpoint(config));
  auto backend = std::make_shared<HttpBackend>(config, std::move(endpoint), options);
  // What can be known now is told now. A plugin may have to wait for a network.
  if (!config.exec) {
    PJ_ASSIGN(const Credentials::Now as, backend->credentials.Get());
    PJ_TRY(HttpConnection::Create(backend->endpoint, *as.tls, {}));
  }
  return std::make_unique<HttpApiImpl>(std::move(backend));
}

}  // namespace pj::kube
