// Whom an HttpApi trusts, and as whom it comes.
#include <sys/stat.h>

#include <cstdlib>

#include "helpers.h"
#include "kube/exec_plugin.h"
#include "kube/http_api.h"
#include "tls_fixture.h"

namespace pj::kube {
namespace {

constexpr const char* kMap = R"({"kind":"ConfigMap","metadata":{"name":"a"}})";

class Identity : public TlsFixture {
 protected:
  Result<Response> Ask(const ClientConfig& config) {
    auto api = HttpApi::Open(config);
    if (!api) return std::unexpected(api.error());
    return (*api)->Do(GetOf("a"));
  }
  void ExpectDistrust(const ClientConfig& config) {
    auto answer = Ask(config);
    ASSERT_FALSE(answer.has_value());
    EXPECT_NE(answer.error().message.find("not one to trust"), std::string::npos)
        << answer.error().ToString();
  }
  // Answers 200 to the tokens that `good` names now, 401 to others.
  std::function<void(TlsPeer&)> Guard() {
    return [this](TlsPeer& peer) {
      while (auto request = peer.Read()) {
        std::lock_guard lock(mutex_);
        const bool good = request->head.find("Bearer " + good_ + "\r\n") != std::string::npos;
        peer.Answer(good ? 200 : 401, good ? kMap : R"({"kind":"Status","code":401})");
      }
    };
  }
  void Accept(const std::string& token) {
    std::lock_guard lock(mutex_);
    good_ = token;
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = dir_ / name;
    EXPECT_TRUE(WriteFileAtomic(path, text).has_value());
    return path;
  }
  // A plugin that counts its runs in a file and prints `status`.
  ExecPlugin Plugin(const std::string& status) {
    const std::string path =
        Write("plugin", "#!/bin/sh\necho run >>" + dir_ / "runs" +
                            "\ncat <<END\n{\"kind\":\"ExecCredential\",\"apiVersion\":"
                            "\"client.authentication.k8s.io/v1\",\"status\":" +
                            status + "}\nEND\n");
    chmod(path.c_str(), 0755);
    return {.command = path, .api_version = "client.authentication.k8s.io/v1"};
  }
  size_t Runs() { return ReadFile(dir_ / "runs").value_or("").size() / 4; }

  TempDir dir_;
  std::mutex mutex_;
  std::string good_ = "one";
};

void Ok(TlsPeer& peer) {
  while (peer.Read()) peer.Answer(200, kMap);
}

TEST_F(Identity, TheServersAuthorityAndNameMustBeRight) {
  TlsServer server(own_, Ok);
  EXPECT_TRUE(Ask(Config(server)).has_value());

  ClientConfig other = Config(server);
  other.ca.text = MakeCertificate("authority", "", nullptr, true).certificate_pem;
  ExpectDistrust(other);

  TlsServer elsewhere(MakeCertificate("server", "IP:127.0.0.2,DNS:other.test", &ca_), Ok);
  ExpectDistrust(Config(elsewhere));
}

// The library falls back to it; nobody else does any more.
TEST_F(Identity, ACommonNameIsNoName) {
  TlsServer server(MakeCertificate("127.0.0.1", "", &ca_), Ok);
  ExpectDistrust(Config(server));
}

// The library adds the system's authorities to ours.
TEST_F(Identity, OnlyTheGivenAuthorityIsTrusted) {
  const TestCertificate system = MakeCertificate("system", "", nullptr, true);
  const std::string file = Write("system.pem", system.certificate_pem);
  setenv("SSL_CERT_FILE", file.c_str(), 1);
  TlsServer server(MakeCertificate("server", "IP:127.0.0.1", &system), Ok);
  ExpectDistrust(Config(server));
  ClientConfig trusting = Config(server);
  trusting.ca = {};
  EXPECT_TRUE(Ask(trusting).has_value());
  unsetenv("SSL_CERT_FILE");
}

TEST_F(Identity, TlsServerNameIsTheNameInTheCertificate) {
  TlsServer server(MakeCertificate("server", "DNS:inner.test", &ca_), Ok);
  ExpectDistrust(Config(server));
  ClientConfig named = Config(server);
  named.tls_server_name = "inner.test";
  auto answer = Ask(named);
  EXPECT_TRUE(answer.has_value()) << answer.error().ToString();
  named.tls_server_name = "outer.test";
  ExpectDistrust(named);
}

// The library's own way sends the first certificate only.
TEST_F(Identity, ClientCertificatesComeWithTheirChain) {
  const TestCertificate middle = MakeCertificate("middle", "", &ca_, true);
  const TestCertificate client = MakeCertificate("me", "", &middle);
  std::atomic<int> chain{0};
  TlsServer server(own_,
                   [&](TlsPeer& peer) {
                     chain = peer.ClientChain();
                     Ok(peer);
                   },
                   {.client_ca = ca_.certificate_pem});
  ClientConfig config = Config(server);
  config.certificate.text = client.certificate_pem + middle.certificate_pem;
  config.key.text = client.key_pem;
  auto answer = Ask(config);
  ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
  EXPECT_EQ(chain, 2);
}

TEST_F(Identity, UnusableConfigurationsAreToldAtOnce) {
  TlsServer server(own_, Ok);
  const auto expect = [&](const char* part, auto change) {
    ClientConfig config = Config(server);
    change(config);
    auto api = HttpApi::Open(config);
    ASSERT_FALSE(api.has_value());
    EXPECT_EQ(api.error().code, Code::kInvalid);
    EXPECT_NE(api.error().ToString().find(part), std::string::npos) << api.error().ToString();
  };
  expect("certificate-authority", [](ClientConfig& c) { c.ca.text = "nonsense"; });
  expect("client-key", [&](ClientConfig& c) {
    c.certificate.text = own_.certificate_pem;
    c.key.text = ca_.key_pem;
  });
  expect("no port", [](ClientConfig& c) { c.server = "https://x:port"; });
  expect("https", [](ClientConfig& c) { c.server = "http://x"; });
  expect("proxies", [](ClientConfig& c) { c.proxy_url = "socks5://x:1"; });
}

TEST_F(Identity, ARefusedTokenIsReadAgainAtOnce) {
  TlsServer server(own_, Guard());
  ClientConfig config = Config(server);
  config.token_file = Write("token", "one\n");
  auto api = HttpApi::Open(config);
  ASSERT_TRUE(api.has_value());
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  Write("token", "two\n");
  Accept("two");
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  Accept("three");
  EXPECT_EQ(Must(**api, GetOf("a")).code, 401);
}

TEST_F(Identity, FilesAreReadAgainEachMinute) {
  ManualClock clock;
  TlsServer server(own_, Guard());
  const TestCertificate next = MakeCertificate("next", "", nullptr, true);
  ClientConfig config = Config(server);
  config.ca = {.text = {}, .file = Write("ca", ca_.certificate_pem)};
  config.token_file = Write("token", "one");
  auto api = HttpApi::Open(config, {.clock = &clock});
  ASSERT_TRUE(api.has_value());
  Write("token", "two");
  Write("ca", next.certificate_pem);
  clock.Advance(Seconds(59));
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  clock.Advance(Seconds(1));
  EXPECT_FALSE((*api)->Do(GetOf("a")).has_value());  // the new authority does not vouch for it
  Write("ca", ca_.certificate_pem + next.certificate_pem);
  Accept("two");
  clock.Advance(Seconds(60));
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  // What cannot be read leaves what we have.
  ASSERT_EQ(unlink(config.token_file.c_str()), 0);
  clock.Advance(Seconds(60));
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
}

// A rotated authority is followed at once: whoever waited a minute would miss its Lease.
TEST_F(Identity, ANewAuthorityIsReadWhenTheServerIsNotTrusted) {
  const TestCertificate next = MakeCertificate("next", "", nullptr, true);
  TlsServer server(MakeCertificate("server", "IP:127.0.0.1", &next), Ok);
  ManualClock clock;  // stands
  ClientConfig config = Config(server);
  config.ca = {.text = {}, .file = Write("ca", ca_.certificate_pem)};
  auto api = HttpApi::Open(config, {.clock = &clock});
  ASSERT_TRUE(api.has_value());
  const auto refused = (*api)->Do(CreateOf(MakeMap("a")));
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find(config.ca.file), std::string::npos)
      << refused.error().ToString();
  Write("ca", next.certificate_pem);
  EXPECT_EQ(Must(**api, CreateOf(MakeMap("a"))).code, 200);
  // A watch has a connection of its own, and may be the first to meet the next authority.
  const TestCertificate last = MakeCertificate("last", "", nullptr, true);
  TlsServer moved(MakeCertificate("server", "IP:127.0.0.1", &last), [](TlsPeer& peer) {
    if (peer.Read() && peer.Begin()) peer.End();
  });
  config.server = moved.url();
  api = HttpApi::Open(config, {.clock = &clock});
  ASSERT_TRUE(api.has_value());
  Write("ca", last.certificate_pem);
  const auto watch = (*api)->OpenWatch({.type = ConfigMaps(), .ns = "ns"});
  ASSERT_TRUE(watch.has_value());
  const auto event = (*watch)->Next(Millis(30'000));
  EXPECT_FALSE(event.has_value()) << event->object;
  EXPECT_TRUE((*watch)->Ended());
}

TEST_F(Identity, AnExpiredCertificateIsToldWithItsDateAndFile) {
  const auto expect_told = [&](const ClientConfig& config, const std::string& file) {
    const auto answer = Ask(config);
    ASSERT_FALSE(answer.has_value());
    const std::string told = answer.error().ToString();
    const std::string day = FormatRfc3339Seconds(SystemClock().Wall() - Seconds(600)).substr(0, 13);
    EXPECT_NE(told.find(" expired on " + day), std::string::npos) << told;
    EXPECT_NE(told.find(file), std::string::npos) << told;
  };
  TlsServer ended(MakeCertificate("server", "IP:127.0.0.1", &ca_, false, -600), Ok);
  ClientConfig config = Config(ended);
  config.ca = {.text = {}, .file = Write("ca", ca_.certificate_pem)};
  expect_told(config, config.ca.file);

  const TestCertificate old = MakeCertificate("old", "", nullptr, true, -600);
  TlsServer orphan(MakeCertificate("server", "IP:127.0.0.1", &old), Ok);
  config.server = orphan.url();
  config.ca.file = Write("old", old.certificate_pem);
  expect_told(config, "/CN=old expired");
  expect_told(config, config.ca.file);
}

// An API server answers 401 to it, without a word on why.
TEST_F(Identity, AnExpiredClientCertificateIsToldWithItsDateAndFile) {
  const TestCertificate mine = MakeCertificate("me", "", &ca_, false, -600);
  TlsServer server(own_, [](TlsPeer& peer) {
    while (peer.Read())
      peer.Answer(401, R"({"kind":"Status","code":401,"message":"Unauthorized"})");
  });
  ClientConfig config = Config(server);
  config.certificate = {.text = {}, .file = Write("me.pem", mine.certificate_pem)};
  config.key.text = mine.key_pem;
  const auto answer = Ask(config);
  ASSERT_TRUE(answer.has_value()) << answer.error().ToString();
  EXPECT_EQ(answer->message.find("Unauthorized (the client certificate " + config.certificate.file +
                                 " expired on "),
            0U)
      << answer->message;
}

TEST_F(Identity, PluginsRunOnceAndAgainWhenTheirCredentialEnds) {
  ManualClock clock;
  TlsServer server(own_, Guard());
  const std::string expires = FormatRfc3339(clock.Wall() + Seconds(600));
  ClientConfig config = Config(server);
  config.exec = Plugin(R"({"token":"one","expirationTimestamp":")" + expires + "\"}");
  auto api = HttpApi::Open(config, {.clock = &clock});
  ASSERT_TRUE(api.has_value());
  EXPECT_EQ(Runs(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  EXPECT_EQ(Runs(), 1u);
  clock.Advance(Seconds(589));
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  EXPECT_EQ(Runs(), 1u);
  clock.Advance(Seconds(1));
  Plugin(R"({"token":"two"})");
  Accept("two");
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  EXPECT_EQ(Runs(), 2u);
  // Refused: once more, whatever it said about its end.
  Plugin(R"({"token":"three"})");
  Accept("three");
  EXPECT_EQ(Must(**api, GetOf("a")).code, 200);
  EXPECT_EQ(Runs(), 3u);
}

TEST_F(Identity, PluginsMayGiveCertificates) {
  const TestCertificate client = MakeCertificate("me", "", &ca_);
  TlsServer server(own_, Ok, {.client_ca = ca_.certificate_pem});
  const auto quoted = [](std::string pem) {
    for (size_t at = 0; (at = pem.find('\n', at)) != std::string::npos;) pem.replace(at, 1, "\\n");
    return pem;
  };
  ClientConfig config = Config(server);
  // The shell leaves a backslash in a here-document alone but for $, ` and itself.
  config.exec = Plugin("{\"clientCertificateData\":\"" + quoted(client.certificate_pem) +
                       "\",\"clientKeyData\":\"" + quoted(client.key_pem) + "\"}");
  auto answer = Ask(config);
  EXPECT_TRUE(answer.has_value()) << answer.error().ToString();
}

TEST_F(Identity, AFailingPluginIsNamedWithItsHint) {
  TlsServer server(own_, Ok);
  ClientConfig config = Config(server);
  config.exec = ExecPlugin{.command = "/bin/false",
                           .api_version = "client.authentication.k8s.io/v1",
                           .install_hint = "install the thing"};
  auto answer = Ask(config);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  const std::string told = answer.error().ToString();
  EXPECT_NE(told.find("/bin/false"), std::string::npos) << told;
  EXPECT_NE(told.find("install the thing"), std::string::npos) << told;
}

TEST(ExecCredential, OnlyWholeOnesOfTheRightVersionAreTaken) {
  const ExecPlugin plugin{.command = "p", .api_version = "client.authentication.k8s.io/v1"};
  const auto parse = [&](const std::string& version, const std::string& status) {
    return ParseExecCredential(
        R"({"kind":"ExecCredential","apiVersion":")" + version + R"(","status":)" + status + "}",
        plugin);
  };
  const std::string v1 = plugin.api_version;
  EXPECT_EQ(parse(v1, R"({"token":"t"})")->token, "t");
  EXPECT_FALSE(parse(v1, R"({"token":"t"})")->expires.has_value());
  for (const char* bad : {"{}", "7", R"({"clientKeyData":"k"})", R"({"clientCertificateData":"c"})",
                          R"({"token":"t","expirationTimestamp":"tomorrow"})"}) {
    EXPECT_FALSE(parse(v1, bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse(v1 + "beta1", R"({"token":"t"})").has_value());
  EXPECT_FALSE(ParseExecCredential("token", plugin).has_value());
}

TEST(ParseRfc3339, ReadsTimes) {
  const WallTime noon = *ParseRfc3339("2026-01-31T12:00:00Z");
  EXPECT_EQ(FormatRfc3339(noon), "2026-01-31T12:00:00.000000Z");
  EXPECT_EQ(*ParseRfc3339("2026-01-31T12:00:00.987Z"), noon);
  EXPECT_EQ(*ParseRfc3339("2026-01-31T14:30:00+02:30"), noon);
  for (const char* bad : {"", "2026-01-31", "2026-02-31T12:00:00Z", "2026-01-31T12:00:00",
                          "2026-01-31T25:00:00Z", "2026-01-31T12:00:00Zulu"}) {
    EXPECT_FALSE(ParseRfc3339(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace pj::kube
