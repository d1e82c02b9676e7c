#include "kube/http_path.h"

#include <fmt/core.h>

#include <charconv>

#include "kube/http_api.h"

namespace pj::kube {
namespace {

// "a=1&b=2", leaving out what is empty.
class Query {
 public:
  void Add(const char* name, const std::string& value) {
    if (value.empty()) return;
    text_ += fmt::format("{}{}={}", text_.empty() ? '?' : '&', name, PercentEncoded(value));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string Collection(const ResourceType& type, const std::string& ns) {
  std::string out = type.group.empty() ? fmt::format("/api/{}", type.version)
                                       : fmt::format("/apis/{}/{}", type.group, type.version);
  if (!ns.empty()) out += "/namespaces/" + PercentEncoded(ns);
  return out + "/" + type.plural;
}

struct HostPort {
  std::string user = {};  // "user:password", as written
  std::string host = {};
  int port = 0;
  std::string path = {};
};

// "[user@]host[:port][/path]" after the scheme.
Result<HostPort> SplitAuthority(std::string_view text, int port, const std::string& where) {
  HostPort out{.port = port};
  const size_t slash = std::min(text.find('/'), text.size());
  out.path = text.substr(slash);
  text = text.substr(0, slash);
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    out.user = text.substr(0, at);
    text.remove_prefix(at + 1);
  }
  const size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return Fail(Code::kInvalid, "']' is missing", where);
  const size_t colon = text.find(':', bracket);
  const std::string_view host = text.substr(0, colon);
  out.host = bracket > 0 ? host.substr(1, bracket - 1) : host;
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, out.port);
    if (parsed.ec != std::errc() || parsed.ptr != end || out.port < 1 || out.port > 65535) {
      return Fail(Code::kInvalid, fmt::format("\"{}\" is no port", digits), where);
    }
  }
  if (out.host.empty()) return Fail(Code::kInvalid, "no host is named", where);
  return out;
}

Status ParseProxy(const ClientConfig& config, Endpoint* out) {
  constexpr std::string_view kScheme = "http://";
  const std::string where = fmt::format("proxy-url {}", config.proxy_url);
  if (!config.proxy_url.starts_with(kScheme)) {
    return Fail(Code::kInvalid, "only http:// proxies are supported", where,
                "what goes through them is TLS to the API server all the same");
  }
  if (!config.tls_server_name.empty()) {
    return Fail(Code::kInvalid, "tls-server-name does not go together with a proxy", where,
                "name the server by the name in its certificate");
  }
  PJ_ASSIGN(const HostPort proxy,
            SplitAuthority(std::string_view(config.proxy_url).substr(kScheme.size()), 80, where));
  out->proxy_host = proxy.host;
  out->proxy_port = proxy.port;
  const size_t colon = std::min(proxy.user.find(':'), proxy.user.size());
  out->proxy_user = proxy.user.substr(0, colon);
  if (colon < proxy.user.size()) out->proxy_password = proxy.user.substr(colon + 1);
  return {};
}

}  // namespace

Result<Endpoint> ParseEndpoint(const ClientConfig& config) {
  constexpr std::string_view kScheme = "https://";
  if (!config.server.starts_with(kScheme)) {
    return Fail(Code::kInvalid, fmt::format("not an https address: \"{}\"", config.server));
  }
  PJ_ASSIGN(HostPort server, SplitAuthority(std::string_view(config.server).substr(kScheme.size()),
                                            443, "server " + config.server));
  if (!server.user.empty()) {
    return Fail(Code::kInvalid, "a user in the address is not supported", config.server);
  }
  while (server.path.ends_with('/')) server.path.pop_back();
  Endpoint out{.host = server.host, .port = server.port, .prefix = server.path};
  out.tls_name = config.tls_server_name.empty() ? out.host : config.tls_server_name;
  if (!config.proxy_url.empty()) {
    PJ_TRY(ParseProxy(config, &out));
  }
  return out;
}

std::string PercentEncoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string PathOf(const Request& request) {
  std::string path = Collection(request.type, request.ns);
  if (request.verb != Verb::kList && request.verb != Verb::kCreate) {
    path += "/" + PercentEncoded(request.name);
  }
  if (request.verb == Verb::kUpdateStatus) path += "/status";
  Query query;
  query.Add("labelSelector", request.label_selector);
  query.Add("fieldSelector", request.field_selector);
  query.Add("resourceVersion", request.resource_version);
  query.Add("limit", request.limit > 0 ? std::to_string(request.limit) : "");
  query.Add("continue", request.continue_token);
  return path + query.text();
}

std::string PathOf(const WatchRequest& request) {
  Query query;
  query.Add("watch", "true");
  query.Add("allowWatchBookmarks", request.bookmarks ? "true" : "");
  query.Add("labelSelector", request.label_selector);
  query.Add("fieldSelector", request.field_selector);
  query.Add("resourceVersion", request.resource_version);
  query.Add("timeoutSeconds", std::to_string(request.timeout.count()));
  return Collection(request.type, request.ns) + query.text();
}

}  // namespace pj::kube
