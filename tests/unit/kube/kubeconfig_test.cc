#include "kube/kubeconfig.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/fs.h"
#include "base/hash.h"
#include "unit/temp_dir.h"

namespace pj::kube {
namespace {

namespace fs = std::filesystem;

class Kubeconfig : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    EXPECT_TRUE(MakeDirs(fs::path(path).parent_path().string()).has_value());
    EXPECT_TRUE(WriteFileAtomic(path, text).has_value());
    return path;
  }
  // A whole file with these inner lines of its cluster and user.
  std::string WriteOne(const std::string& cluster, const std::string& user) {
    return Write("config", "clusters: [{name: c, cluster: {" + cluster +
                               "}}]\nusers: [{name: u, user: {" + user +
                               "}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                               "current-context: x\n");
  }
  static ClientConfig Must(const Result<ClientConfig>& config) {
    EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().ToString());
    return config.value_or(ClientConfig{});
  }

  const TempDir temp_;
  const std::string& dir_ = temp_.str();
};

constexpr const char* kServer = "server: \"https://10.0.0.1:6443\"";

TEST_F(Kubeconfig, PathsAreRelativeToTheFileAndDataIsDecoded) {
  const std::string path = Write("deep/config", R"(
apiVersion: v1
kind: Config
clusters:
- name: c
  cluster: {server: "https://api:6443", certificate-authority: pki/ca.crt, tls-server-name: inner}
users:
- name: u
  user: {client-certificate-data: )" + Base64Encode("CERT") +
                                                    R"(, client-key: ../key.pem}
contexts:
- name: x
  context: {cluster: c, user: u, namespace: farm}
current-context: x
)");
  const ClientConfig config = Must(LoadKubeconfig(path));
  EXPECT_EQ(config.server, "https://api:6443");
  EXPECT_EQ(config.tls_server_name, "inner");
  EXPECT_EQ(config.ca.file, dir_ + "/deep/pki/ca.crt");
  EXPECT_EQ(config.certificate.text, "CERT");
  EXPECT_EQ(config.key.file, dir_ + "/key.pem");
  EXPECT_EQ(config.ns, "farm");
}

TEST_F(Kubeconfig, TheFirstFileWinsAndMissingOnesArePassedOver) {
  const std::string first = Write("a", R"(
clusters: [{name: c, cluster: {server: "https://first"}}]
current-context: x
)");
  const std::string second = Write("b", R"(
clusters: [{name: c, cluster: {server: "https://second"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}, {name: y, context: {cluster: c}}]
current-context: y
)");
  const std::string paths = dir_ + "/missing::" + first + ":" + second;
  EXPECT_EQ(Must(LoadKubeconfig(paths)).server, "https://first");
  EXPECT_EQ(Must(LoadKubeconfig(paths)).token, "t");
  EXPECT_EQ(Must(LoadKubeconfig(paths, "y")).token, "");
  EXPECT_EQ(Must(LoadKubeconfig(paths, "y")).ns, "default");
}

TEST_F(Kubeconfig, ExecPlugin) {
  const std::string path = WriteOne(
      kServer,
      "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: [a, \"1\"], "
      "env: [{name: REGION, value: north}], provideClusterInfo: true, installHint: get it}");
  const ClientConfig config = Must(LoadKubeconfig(path));
  ASSERT_TRUE(config.exec.has_value());
  EXPECT_EQ(config.exec->command, dir_ + "/login");
  EXPECT_EQ(config.exec->args, (std::vector<std::string>{"a", "1"}));
  ASSERT_EQ(config.exec->environment.size(), 1u);
  EXPECT_EQ(config.exec->environment[0],
            std::make_pair(std::string("REGION"), std::string("north")));
  EXPECT_TRUE(config.exec->provide_cluster_info);
  EXPECT_EQ(config.exec->install_hint, "get it");
}

TEST_F(Kubeconfig, RefusesWhatWouldWeakenOrChangeTheAccess) {
  struct Bad {
    std::string cluster, user, named;
  };
  const std::string server = kServer;
  const Bad cases[] = {
      {server + ", insecure-skip-tls-verify: true", "token: t", "insecure-skip-tls-verify"},
      {"server: \"http://10.0.0.1\"", "token: t", "server"},
      {server + ", certificate-authority-data: \"?\"", "token: t", "certificate-authority-data"},
      {server, "username: me, password: secret", "username"},
      {server, "auth-provider: {name: gcp}", "auth-provider"},
      {server, "token: t, as: root", "as"},
      {server, "client-certificate: a.crt", "client-key"},
      {server, "client-key: a.key", "client-certificate"},
      {server, "exec: {apiVersion: other/v1, command: a}", "apiVersion"},
      {server, "exec: {apiVersion: client.authentication.k8s.io/v1}", "command"},
  };
  for (const Bad& bad : cases) {
    const auto config = LoadKubeconfig(WriteOne(bad.cluster, bad.user));
    ASSERT_FALSE(config.has_value()) << bad.cluster << bad.user;
    EXPECT_EQ(config.error().code, Code::kInvalid);
    EXPECT_TRUE(config.error().where.ends_with("." + bad.named)) << config.error().ToString();
    EXPECT_EQ(config.error().ToString().find("secret"), std::string::npos);
  }
}

TEST_F(Kubeconfig, TheFlagSetToFalseIsNoRefusal) {
  const std::string cluster = std::string(kServer) + ", insecure-skip-tls-verify: false";
  EXPECT_EQ(Must(LoadKubeconfig(WriteOne(cluster, "token: t"))).token, "t");
}

TEST_F(Kubeconfig, NamesWhatIsMissing) {
  const auto none = LoadKubeconfig(dir_ + "/nothing");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, Code::kNotFound);
  const auto context = LoadKubeconfig(WriteOne(kServer, "token: t"), "nowhere");
  ASSERT_FALSE(context.has_value());
  EXPECT_NE(context.error().message.find("\"nowhere\""), std::string::npos);
  const auto broken = LoadKubeconfig(Write("broken", "clusters: [\n"));
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().code, Code::kInvalid);
}

TEST_F(Kubeconfig, InClusterReadsThePodsAccount) {
  Write("token", "t");
  Write("namespace", "farm");
  const ClientConfig config =
      Must(LoadInCluster({.host = "fd00::1", .port = "443", .folder = dir_}));
  EXPECT_EQ(config.server, "https://[fd00::1]:443");
  EXPECT_EQ(config.ca.file, dir_ + "/ca.crt");
  EXPECT_EQ(config.token_file, dir_ + "/token");
  EXPECT_EQ(config.ns, "farm");
  EXPECT_EQ(Must(LoadInCluster({.host = "10.0.0.1", .port = "443", .folder = dir_})).server,
            "https://10.0.0.1:443");
  EXPECT_FALSE(LoadInCluster({.folder = dir_}).has_value());
  EXPECT_FALSE(LoadInCluster({.host = "a", .port = "1", .folder = dir_ + "/no"}).has_value());
}

}  // namespace
}  // namespace pj::kube
