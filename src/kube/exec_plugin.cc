#include "kube/exec_plugin.h"

#include <fmt/core.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/process.h"

namespace pj::kube {
namespace {

constexpr Seconds kPatience{60};

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// What the plugin finds in KUBERNETES_EXEC_INFO.
std::string ExecInfo(const ExecPlugin& plugin, const ClientConfig& cluster) {
  Json spec{{"interactive", false}};
  if (plugin.provide_cluster_info) {
    Json about{{"server", cluster.server}};
    if (!cluster.tls_server_name.empty()) about["tls-server-name"] = cluster.tls_server_name;
    if (!cluster.proxy_url.empty()) about["proxy-url"] = cluster.proxy_url;
    std::string ca = cluster.ca.text;
    if (ca.empty() && !cluster.ca.file.empty()) ca = ReadFile(cluster.ca.file).value_or("");
    if (!ca.empty()) about["certificate-authority-data"] = Base64Encode(ca);
    spec["cluster"] = std::move(about);
  }
  return DumpJson(
      {{"kind", "ExecCredential"}, {"apiVersion", plugin.api_version}, {"spec", std::move(spec)}});
}

std::string HintOf(const ExecPlugin& plugin) {
  return plugin.install_hint.empty() ? "run it by hand to see why" : plugin.install_hint;
}

}  // namespace

Result<WallTime> ParseRfc3339(const std::string& text) {
  const auto bad = [&] { return Fail(Code::kInvalid, fmt::format("\"{}\" is no time", text)); };
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &s, &used) !=
      6) {
    return bad();
  }
  size_t at = static_cast<size_t>(used);
  if (at < text.size() && text[at] == '.') {
    at = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
  }
  int offset_minutes = 0;
  if (text.substr(at) != "Z" && text.substr(at) != "z") {
    char sign = 0;
    int oh = 0, om = 0;
    if (std::sscanf(text.c_str() + at, "%c%2d:%2d", &sign, &oh, &om) != 3 ||
        (sign != '+' && sign != '-')) {
      return bad();
    }
    offset_minutes = (sign == '-' ? -1 : 1) * (oh * 60 + om);
  }
  using namespace std::chrono;
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)),
                            day(static_cast<unsigned>(d))};
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return bad();
  return WallTime(sys_days(date) + hours(h) + minutes(mi) + seconds(s) - minutes(offset_minutes));
}

Result<ExecCredential> ParseExecCredential(const std::string& text, const ExecPlugin& plugin) {
  const std::string where = "credential plugin " + plugin.command;
  PJ_ASSIGN(const Json printed, ParseJson(text, where));
  if (!printed.is_object() || TextOf(printed, "kind") != "ExecCredential") {
    return Fail(Code::kInvalid, "what it printed is no ExecCredential", where, HintOf(plugin));
  }
  if (TextOf(printed, "apiVersion") != plugin.api_version) {
    return Fail(Code::kInvalid,
                fmt::format("it answered in version \"{}\", not \"{}\"",
                            TextOf(printed, "apiVersion"), plugin.api_version),
                where, "let the kubeconfig's exec.apiVersion say what the plugin speaks");
  }
  const Json status = printed.value("status", Json::object());
  ExecCredential out;
  if (status.is_object()) {
    out.token = TextOf(status, "token");
    out.certificate = TextOf(status, "clientCertificateData");
    out.key = TextOf(status, "clientKeyData");
  }
  if (out.token.empty() && out.certificate.empty()) {
    return Fail(Code::kInvalid, "it gave neither a token nor a certificate", where, HintOf(plugin));
  }
  if (out.certificate.empty() != out.key.empty()) {
    return Fail(Code::kInvalid, "it gave a certificate without key, or a key without certificate",
                where, HintOf(plugin));
  }
  if (const std::string expires = TextOf(status, "expirationTimestamp"); !expires.empty()) {
    PJ_ASSIGN(out.expires, ParseRfc3339(expires));
  }
  return out;
}

Result<ExecCredential> RunExecPlugin(const ExecPlugin& plugin, const ClientConfig& cluster) {
  const std::string where = "credential plugin " + plugin.command;
  std::vector<std::string> argv{plugin.command};
  argv.insert(argv.end(), plugin.args.begin(), plugin.args.end());
  ProcessOptions options{
      .environment = plugin.environment, .keep_stderr = false, .timeout = kPatience};
  options.environment.emplace_back("KUBERNETES_EXEC_INFO", ExecInfo(plugin, cluster));
  auto done = RunProcess(argv, options);
  if (!done) return Fail(Code::kUnavailable, done.error().ToString(), where, HintOf(plugin));
  if (done->exit_code != 0) {
    return Fail(Code::kUnavailable, fmt::format("it ended with {}", done->exit_code), where,
                HintOf(plugin));
  }
  return ParseExecCredential(done->output, plugin);
}

}  // namespace pj::kube
