#include "kube/http_transport.h"

#include <fmt/core.h>
#include <httplib.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <mutex>

#include "base/fs.h"

namespace pj::kube {
namespace {

// The library takes only numbers for an address that differs from the certificate's name.
Result<std::string> Resolve(const std::string& host) {
  if (IsAddress(host)) return host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return Fail(Code::kUnavailable, gai_strerror(error), host);
  }
  char text[NI_MAXHOST] = "";
  getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  return std::string(text);
}

void SetSocketOptions(int socket) {
  const auto set = [socket](int level, int name, int value) {
    setsockopt(socket, level, name, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

std::string_view Told(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "cannot connect";
    case httplib::Error::ConnectionTimeout:
      return "connecting took too long";
    case httplib::Error::Read:
      return "the answer broke off or did not come in time";
    case httplib::Error::Write:
      return "the connection closed while sending";
    case httplib::Error::Canceled:
      return "stopped before the answer was complete";
    case httplib::Error::SSLConnection:
      return "no TLS connection (is it an API server? does it accept our certificate?)";
    case httplib::Error::SSLLoadingCerts:
      return "cannot load the system's certificates";
    case httplib::Error::SSLServerVerification:
      return "the server's certificate is not one to trust";
    default:
      return "no answer";
  }
}

// A write to a connection that the peer has closed must be an error, not the end of the process.
void IgnoreSigpipe() {
  struct sigaction now{};
  if (sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
    std::signal(SIGPIPE, SIG_IGN);
  }
}

// Ours are encoded already. Later versions have another name for it.
template <class Client>
void KeepPaths(Client& client) {
  if constexpr (requires { client.set_path_encode(false); }) {
    client.set_path_encode(false);
  } else {
    client.set_url_encode(false);
  }
}

class HttplibConnection : public HttpConnection {
 public:
  HttplibConnection(const Endpoint& endpoint, const HttpTimeouts& timeouts)
      : endpoint_(endpoint), timeouts_(timeouts), client_(endpoint.tls_name, endpoint.port) {}

  Status Prepare(const TlsIdentity& identity);
  Result<HttpAnswer> Send(const HttpCall& call, const HttpReceiver& receiver) override;
  void Abort() override;

 private:
  void OnSocket(int socket);
  bool aborted() {
    std::lock_guard lock(mutex_);
    return aborted_;
  }
  httplib::Request MakeRequest(const HttpCall& call) const;
  std::unexpected<Error> Failed(httplib::Error error, std::string where) const;

  const Endpoint endpoint_;
  const HttpTimeouts timeouts_;
  TlsIdentity identity_;
  TlsTrust trust_;
  httplib::SSLClient client_;
  std::mutex mutex_;
  UniqueFd socket_;  // the same socket under a number of our own
  bool aborted_ = false;
};

Status HttplibConnection::Prepare(const TlsIdentity& identity) {
  IgnoreSigpipe();
  if (!client_.is_valid()) return Fail(Code::kInternal, "no TLS context");
  identity_ = identity;
  PJ_TRY(trust_.Apply(client_.ssl_context(), identity_, endpoint_.tls_name));
  client_.enable_server_certificate_verification(true);
  client_.set_connection_timeout(timeouts_.connect);
  client_.set_read_timeout(timeouts_.silence);  // its own default of 5 s ends quiet watches
  client_.set_write_timeout(timeouts_.silence);
  client_.set_tcp_nodelay(true);  // else every body waits 40 ms for an acknowledgement
  client_.set_keep_alive(true);
  client_.set_follow_location(false);  // never carry our token elsewhere
  KeepPaths(client_);
  client_.set_decompress(false);
  client_.set_socket_options([this](int socket) { OnSocket(socket); });
  if (!endpoint_.proxy_host.empty()) {
    client_.set_proxy(endpoint_.proxy_host, endpoint_.proxy_port);
    if (!endpoint_.proxy_user.empty()) {
      client_.set_proxy_basic_auth(endpoint_.proxy_user, endpoint_.proxy_password);
    }
  }
  return {};
}

// The library's stop() waits for a connect; shutting down the socket through a number of our own
// neither waits nor can hit another file that got the same number.
void HttplibConnection::OnSocket(int socket) {
  SetSocketOptions(socket);
  std::lock_guard lock(mutex_);
  socket_.Reset(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (aborted_) shutdown(socket, SHUT_RDWR);
}

void HttplibConnection::Abort() {
  std::lock_guard lock(mutex_);
  aborted_ = true;
  if (socket_.valid()) shutdown(socket_.get(), SHUT_RDWR);
}

httplib::Request HttplibConnection::MakeRequest(const HttpCall& call) const {
  httplib::Request out;
  out.method = call.method;
  out.path = endpoint_.prefix + call.path;
  out.body = call.body;
  const bool v6 = endpoint_.host.find(':') != std::string::npos;
  out.set_header(
      "Host", fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), endpoint_.host, endpoint_.port));
  out.set_header("Accept", "application/json");
  // Compressed watches are held back until a block is full.
  out.set_header("Accept-Encoding", "identity");
  // An audit log names nobody else where a token is not accepted.
  out.set_header("User-Agent", ::program_invocation_short_name);
  if (!call.body.empty()) out.set_header("Content-Type", "application/json");
#ifdef CPPHTTPLIB_EXPECT_100_THRESHOLD
  // These versions hold a larger body back for up to a second, until the server asks for it, unless
  // the header is there. Redefining the number would not reach a library that is compiled apart.
  if (call.body.size() >= CPPHTTPLIB_EXPECT_100_THRESHOLD) out.set_header("Expect", "");
#endif
  if (!call.token.empty()) out.set_header("Authorization", "Bearer " + call.token);
  return out;
}

std::unexpected<Error> HttplibConnection::Failed(httplib::Error error, std::string where) const {
  std::string message(Told(error));
  if (!endpoint_.proxy_host.empty()) {
    where += fmt::format(" through the proxy {}:{}", endpoint_.proxy_host, endpoint_.proxy_port);
  }
  if (error == httplib::Error::SSLServerVerification) {
    if (!trust_.distrust().empty()) message += ": " + trust_.distrust();
    return Fail(Code::kForbidden, std::move(message), std::move(where));
  }
  const std::string expired = ExpiredIdentity(identity_, SystemClock().Wall());
  if (!expired.empty()) message += "; " + expired;
  return Fail(Code::kUnavailable, std::move(message), std::move(where));
}

Result<HttpAnswer> HttplibConnection::Send(const HttpCall& call, const HttpReceiver& receiver) {
  using std::chrono::steady_clock;
  if (endpoint_.tls_name != endpoint_.host) {
    PJ_ASSIGN(const std::string address, Resolve(endpoint_.host));
    client_.set_hostname_addr_map({{endpoint_.tls_name, address}});
  }
  const auto deadline = steady_clock::now() + timeouts_.whole;
  HttpAnswer out;
  httplib::Request request = MakeRequest(call);
  request.response_handler = [&](const httplib::Response& response) {
    out.status = response.status;
    out.body.clear();  // of a call that the library repeats
    return !aborted();
  };
  request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    const bool good = out.status >= 200 && out.status < 300;
    if (receiver && good) return receiver({data, size});
    if (timeouts_.whole > Seconds(0) && steady_clock::now() > deadline) return false;
    if (out.body.size() + size > timeouts_.max_bytes) return false;
    out.body.append(data, size);
    return true;
  };
  const std::string where =
      fmt::format("{} https://{}:{}{}", call.method, endpoint_.host, endpoint_.port, call.path);
  if (aborted()) return Fail(Code::kUnavailable, "the connection was stopped", where);
  const httplib::Result result = client_.send(request);
  if (!result) return Failed(result.error(), where);
  out.status = result->status;
  const std::string after = result->get_header_value("Retry-After");
  // Seconds only; a date is not worth the trouble.
  if (!after.empty() && after.size() < 6 && after.find_first_not_of("0123456789") == after.npos) {
    out.retry_after = Seconds(std::stoi(after));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<HttpConnection>> HttpConnection::Create(const Endpoint& endpoint,
                                                               const TlsIdentity& identity,
                                                               const HttpTimeouts& timeouts) {
  auto out = std::make_unique<HttplibConnection>(endpoint, timeouts);
  PJ_TRY(out->Prepare(identity));
  return out;
}

}  // namespace pj::kube
