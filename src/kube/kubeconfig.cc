#include "kube/kubeconfig.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/process.h"
#include "base/yaml_doc.h"

namespace pj::kube {
namespace {

namespace fs = std::filesystem;

// An entry of clusters, users or contexts, and the file that it stands in.
struct Entry {
  YamlNode body;
  std::string file;
};

struct Merged {
  std::map<std::string, Entry> clusters;
  std::map<std::string, Entry> users;
  std::map<std::string, Entry> contexts;
  std::string current_context;
};

// One mapping of a kubeconfig: its values, and where they stand for messages.
class Section {
 public:
  Section(const YamlNode* node, std::string file, std::string path)
      : node_(node), file_(std::move(file)), path_(std::move(path)) {}

  std::string Text(std::string_view key) const {
    const YamlNode* value = Find(key);
    return value != nullptr && value->kind == YamlNode::Kind::kScalar ? value->scalar
                                                                      : std::string();
  }
  bool Flag(std::string_view key) const {
    const YamlNode* value = Find(key);
    if (value == nullptr) return false;
    const YamlValue meaning = ResolveScalar(*value, YamlDialect::kKubectl);
    return std::holds_alternative<bool>(meaning) && std::get<bool>(meaning);
  }
  const YamlNode* Find(std::string_view key) const {
    return node_ == nullptr ? nullptr : node_->Find(key);
  }
  bool Has(std::string_view key) const {
    const YamlNode* value = Find(key);
    return value != nullptr && value->kind != YamlNode::Kind::kNull;
  }
  Section Inner(std::string_view key) const {
    return {Find(key), file_, fmt::format("{}.{}", path_, key)};
  }
  // A path of the file: relative ones start at the file's own folder.
  std::string Path(std::string_view key) const {
    const std::string text = Text(key);
    if (text.empty()) return text;
    return (fs::path(file_).parent_path() / text).lexically_normal().string();
  }
  std::string Where(std::string_view key) const {
    return fmt::format("{}: {}.{}", file_, path_, key);
  }
  const std::string& file() const { return file_; }

 private:
  const YamlNode* node_;
  std::string file_;
  std::string path_;
};

Result<YamlNode> ParseFile(const std::string& path) {
  PJ_ASSIGN(const std::string text, ReadFile(path, limits::kYamlBytes));
  Diagnostics findings;
  std::vector<YamlNode> documents = ParseYaml(text, path, YamlDialect::kKubectl, &findings);
  if (findings.HasErrors()) {
    return Fail(Code::kInvalid, findings.all().front().ToString(), {},
                "check the kubeconfig with: kubectl config view");
  }
  if (documents.empty()) return YamlNode{};
  return std::move(documents.front());
}

// The first file that names an entry wins, as kubectl merges.
void MergeList(const YamlNode& root, const char* list, const char* inner, const std::string& file,
               std::map<std::string, Entry>* out) {
  const YamlNode* entries = root.Find(list);
  if (entries == nullptr) return;
  for (const YamlNode& entry : entries->items) {
    const YamlNode* name = entry.Find("name");
    const YamlNode* body = entry.Find(inner);
    if (name != nullptr && body != nullptr) out->emplace(name->scalar, Entry{*body, file});
  }
}

Result<Merged> MergeFiles(const std::string& paths) {
  Merged out;
  bool found = false;
  for (size_t begin = 0; begin <= paths.size();) {
    const size_t end = std::min(paths.find(':', begin), paths.size());
    const std::string path = paths.substr(begin, end - begin);
    begin = end + 1;
    std::error_code error;
    if (path.empty() || fs::status(path, error).type() == fs::file_type::not_found) continue;
    found = true;
    const std::string file = fs::absolute(path, error).string();
    if (error) return FailErrno(error.value(), "cannot resolve", path);
    PJ_ASSIGN(const YamlNode root, ParseFile(file));
    MergeList(root, "clusters", "cluster", file, &out.clusters);
    MergeList(root, "users", "user", file, &out.users);
    MergeList(root, "contexts", "context", file, &out.contexts);
    const YamlNode* current = root.Find("current-context");
    if (out.current_context.empty() && current != nullptr) out.current_context = current->scalar;
  }
  if (!found) {
    return Fail(Code::kNotFound, "no such kubeconfig", paths, "set KUBECONFIG to an existing file");
  }
  return out;
}

Result<Section> Named(const std::map<std::string, Entry>& entries, const std::string& what,
                      const std::string& name) {
  const auto found = entries.find(name);
  if (found == entries.end()) {
    return Fail(Code::kInvalid, fmt::format("the kubeconfig has no {} \"{}\"", what, name), {},
                "list them with: kubectl config view");
  }
  return Section(&found->second.body, found->second.file, fmt::format("{} {}", what, name));
}

// `key`-data (base64) or the file that `key` names.
Result<PemSource> Pem(const Section& section, const std::string& key) {
  PemSource out{.text = {}, .file = section.Path(key)};
  const std::string data = section.Text(key + "-data");
  if (data.empty()) return out;
  auto text = Base64Decode(data);
  if (!text) return Fail(Code::kInvalid, text.error().message, section.Where(key + "-data"));
  out.text = std::move(*text);
  return out;
}

Status ReadCluster(const Section& cluster, ClientConfig* out) {
  out->server = cluster.Text("server");
  if (!out->server.starts_with("https://")) {
    return Fail(Code::kInvalid, fmt::format("not an https address: \"{}\"", out->server),
                cluster.Where("server"), "name the API server itself, not a plain proxy to it");
  }
  if (cluster.Flag("insecure-skip-tls-verify")) {
    return Fail(Code::kInvalid, "an unverified server would be handed our credentials",
                cluster.Where("insecure-skip-tls-verify"),
                "remove it; give certificate-authority, and tls-server-name if the name differs");
  }
  out->tls_server_name = cluster.Text("tls-server-name");
  out->proxy_url = cluster.Text("proxy-url");
  PJ_ASSIGN(out->ca, Pem(cluster, "certificate-authority"));
  return {};
}

Result<ExecPlugin> ReadExec(const Section& exec) {
  ExecPlugin out{.command = exec.Text("command"),
                 .api_version = exec.Text("apiVersion"),
                 .install_hint = exec.Text("installHint"),
                 .provide_cluster_info = exec.Flag("provideClusterInfo")};
  if (out.command.empty()) {
    return Fail(Code::kInvalid, "no command is named", exec.Where("command"));
  }
  if (out.command.find('/') != std::string::npos) out.command = exec.Path("command");
  if (!out.api_version.starts_with("client.authentication.k8s.io/v1")) {
    return Fail(Code::kInvalid, fmt::format("not supported: \"{}\"", out.api_version),
                exec.Where("apiVersion"), "use client.authentication.k8s.io/v1");
  }
  if (const YamlNode* args = exec.Find("args")) {
    for (const YamlNode& word : args->items) out.args.push_back(word.scalar);
  }
  if (const YamlNode* variables = exec.Find("env")) {
    for (const YamlNode& entry : variables->items) {
      const Section variable(&entry, exec.file(), "env");
      out.environment.emplace_back(variable.Text("name"), variable.Text("value"));
    }
  }
  return out;
}

Status ReadUser(const Section& user, ClientConfig* out) {
  for (const char* gone : {"username", "password", "auth-provider"}) {
    if (user.Has(gone)) {
      return Fail(Code::kInvalid, "this way to log in is not supported", user.Where(gone),
                  "use a token, a client certificate or an exec plugin");
    }
  }
  for (const char* other : {"as", "as-groups", "as-uid", "as-user-extra"}) {
    if (user.Has(other)) {
      return Fail(Code::kInvalid, "impersonation is not supported", user.Where(other),
                  "use a user with the permissions themselves");
    }
  }
  PJ_ASSIGN(out->certificate, Pem(user, "client-certificate"));
  PJ_ASSIGN(out->key, Pem(user, "client-key"));
  if (out->certificate.empty() != out->key.empty()) {
    return Fail(Code::kInvalid, "a client certificate needs its key, and a key its certificate",
                user.Where(out->key.empty() ? "client-key" : "client-certificate"));
  }
  out->token = user.Text("token");
  out->token_file = user.Path("tokenFile");
  if (user.Has("exec")) {
    PJ_ASSIGN(out->exec, ReadExec(user.Inner("exec")));
  }
  return {};
}

}  // namespace

Result<ClientConfig> LoadKubeconfig(const std::string& paths, const std::string& context) {
  PJ_ASSIGN(const Merged all, MergeFiles(paths));
  const std::string& name = context.empty() ? all.current_context : context;
  if (name.empty()) {
    return Fail(Code::kInvalid, "no context is chosen", paths, "kubectl config use-context NAME");
  }
  PJ_ASSIGN(const Section chosen, Named(all.contexts, "context", name));
  ClientConfig out;
  PJ_ASSIGN(const Section cluster, Named(all.clusters, "cluster", chosen.Text("cluster")));
  PJ_TRY(ReadCluster(cluster, &out));
  if (!chosen.Text("user").empty()) {
    PJ_ASSIGN(const Section user, Named(all.users, "user", chosen.Text("user")));
    PJ_TRY(ReadUser(user, &out));
  }
  if (!chosen.Text("namespace").empty()) out.ns = chosen.Text("namespace");
  return out;
}

Result<ClientConfig> LoadInCluster(const InClusterOptions& options) {
  if (options.host.empty() || options.port.empty()) {
    return Fail(Code::kNotFound, "neither a kubeconfig nor a pod's environment was found", {},
                "set KUBECONFIG, or run inside a pod");
  }
  const bool v6 = options.host.find(':') != std::string::npos;
  ClientConfig out;
  out.server = fmt::format(fmt::runtime(v6 ? "https://[{}]:{}" : "https://{}:{}"), options.host,
                           options.port);
  out.ca.file = options.folder + "/ca.crt";
  out.token_file = options.folder + "/token";
  if (auto ns = ReadFile(options.folder + "/namespace", 4096)) out.ns = *ns;
  PJ_TRY(ReadFile(out.token_file, limits::kYamlBytes));
  return out;
}

Result<ClientConfig> LoadClientConfig(const std::string& paths, const std::string& context) {
  if (!paths.empty()) return LoadKubeconfig(paths, context);
  if (const std::string named = GetEnv("KUBECONFIG"); !named.empty()) {
    return LoadKubeconfig(named, context);
  }
  const std::string home = GetEnv("HOME") + "/.kube/config";
  std::error_code error;
  if (fs::status(home, error).type() != fs::file_type::not_found) {
    return LoadKubeconfig(home, context);
  }
  return LoadInCluster(
      {.host = GetEnv("KUBERNETES_SERVICE_HOST"), .port = GetEnv("KUBERNETES_SERVICE_PORT")});
}

}  // namespace pj::kube
