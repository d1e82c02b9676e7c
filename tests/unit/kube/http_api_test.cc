#include "kube/http_api.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <future>

#include "helpers.h"
#include "kube/reflector.h"
#include "tls_fixture.h"

namespace pj::kube {
namespace {

using std::chrono::steady_clock;
using Type = WatchEvent::Type;

constexpr const char* kMap = R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{)"
                             R"("name":"a","namespace":"ns","uid":"u","resourceVersion":"7"}})";
const Millis kLong{20'000};

std::string EventLine(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

class HttpApiTest : public TlsFixture {
 protected:
  std::unique_ptr<HttpApi> Open(const ClientConfig& config, HttpApiOptions options = {}) {
    auto api = HttpApi::Open(config, options);
    EXPECT_TRUE(api.has_value()) << (api ? "" : api.error().ToString());
    return api ? std::move(*api) : nullptr;
  }
  // Every request gets the same answer.
  static std::function<void(TlsPeer&)> Always(int code, std::string body,
                                              std::string headers = {}) {
    return [=](TlsPeer& peer) {
      while (peer.Read()) peer.Answer(code, body, headers);
    };
  }
  std::string ErrorOf(Api& api) {
    auto answer = api.Do(GetOf("a"));
    EXPECT_FALSE(answer.has_value());
    if (answer) return {};
    EXPECT_EQ(answer.error().code, Code::kUnavailable);
    return answer.error().ToString();
  }
};

// --- Requests ------------------------------------------------------------------------------------

TEST_F(HttpApiTest, SaysWhatEachVerbMeans) {
  std::mutex mutex;
  std::vector<std::string> seen;
  TlsServer server(own_, [&](TlsPeer& peer) {
    while (auto request = peer.Read()) {
      {
        std::lock_guard lock(mutex);
        seen.push_back(request->head.substr(0, request->head.find(" HTTP")) + " " + request->body);
      }
      peer.Answer(200, kMap);
    }
  });
  ClientConfig config = Config(server);
  config.server += "/prefix/";
  auto api = Open(config);
  const ResourceType jobs{.group = "batch", .version = "v1", .plural = "jobs", .kind = "Job"};
  Must(*api, GetOf("a"));
  Must(*api, {.verb = Verb::kList,
              .type = jobs,
              .label_selector = "a=b,c in (d)",
              .resource_version = "0",
              .limit = 500});
  Must(*api, {.verb = Verb::kCreate, .type = jobs, .ns = "ns", .body = "{}"});
  Must(*api, {.verb = Verb::kUpdateStatus, .type = jobs, .ns = "ns", .name = "j", .body = "{}"});
  Must(
      *api,
      {.verb = Verb::kDelete, .type = jobs, .ns = "ns", .name = "../x?y", .precondition_uid = "u"});
  Must(*api, {.verb = Verb::kDelete, .type = jobs, .ns = "ns", .name = "x", .grace_seconds = 0});
  const std::vector<std::string> expected{
      "GET /prefix/api/v1/namespaces/ns/configmaps/a ",
      "GET /prefix/apis/batch/v1/jobs?labelSelector=a%3Db%2Cc%20in%20%28d%29&resourceVersion=0"
      "&limit=500 ",
      "POST /prefix/apis/batch/v1/namespaces/ns/jobs {}",
      "PUT /prefix/apis/batch/v1/namespaces/ns/jobs/j/status {}",
      R"(DELETE /prefix/apis/batch/v1/namespaces/ns/jobs/..%2Fx%3Fy {"kind":"DeleteOptions",)"
      R"("apiVersion":"v1","propagationPolicy":"Background","preconditions":{"uid":"u"}})",
      R"(DELETE /prefix/apis/batch/v1/namespaces/ns/jobs/x {"kind":"DeleteOptions",)"
      R"("apiVersion":"v1","propagationPolicy":"Background","gracePeriodSeconds":0})"};
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(HttpApiTest, BadNewsAreAnswersToo) {
  const std::string status =
      R"({"kind":"Status","code":429,"reason":"TooManyRequests","message":"slow down"})";
  TlsServer server(own_, Always(429, status, "Retry-After: 7\r\n"));
  auto api = Open(Config(server));
  const Response answer = Must(*api, GetOf("a"));
  EXPECT_EQ(answer.code, 429);
  EXPECT_EQ(answer.reason, "TooManyRequests");
  EXPECT_EQ(answer.message, "slow down");
  EXPECT_EQ(answer.retry_after, Seconds(7));
}

TEST_F(HttpApiTest, AProxysErrorPageIsAnAnswerWithItsCode) {
  TlsServer server(own_, Always(502, "<html>bad gateway</html>"));
  auto api = Open(Config(server));
  const Response answer = Must(*api, GetOf("a"));
  EXPECT_EQ(answer.code, 502);
  EXPECT_EQ(answer.reason, "");
  EXPECT_NE(answer.message.find("bad gateway"), std::string::npos);
}

TEST_F(HttpApiTest, ASuccessThatIsNoJsonIsNone) {
  for (const std::string body :
       {"<html>log in</html>", R"({"kind":"ConfigMap","metadata":{)", ""}) {
    TlsServer server(own_, Always(200, body));
    auto api = Open(Config(server));
    EXPECT_NE(ErrorOf(*api).find("not an API server's answer"), std::string::npos) << body;
  }
}

TEST_F(HttpApiTest, AnAnswerThatBreaksOffIsNone) {
  TlsServer server(own_, [](TlsPeer& peer) {
    peer.Read();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"kind\":");
  });
  auto api = Open(Config(server));
  EXPECT_NE(ErrorOf(*api).find("broke off"), std::string::npos);
}

TEST_F(HttpApiTest, RedirectsAreNotFollowed) {
  TlsServer other(own_, Always(200, kMap));
  TlsServer server(own_, Always(302, "", "Location: " + other.url() + "/\r\n"));
  ClientConfig config = Config(server);
  config.token = "secret";
  auto api = Open(config);
  EXPECT_EQ(Must(*api, GetOf("a")).code, 302);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(HttpApiTest, ASilentServerIsGivenUp) {
  TlsServer server(own_, [](TlsPeer& peer) { peer.Hold(); });
  auto api = Open(Config(server), {.silence = Seconds(1)});
  const auto begin = steady_clock::now();
  EXPECT_NE(ErrorOf(*api).find("in time"), std::string::npos);
  EXPECT_LT(steady_clock::now() - begin, Seconds(10));
}

TEST_F(HttpApiTest, ADribblingServerIsGivenUp) {
  TlsServer server(own_, [](TlsPeer& peer) {
    peer.Read();
    peer.Begin();
    ManualClock clock;
    auto api = OpenApi({.clock = &clock});  // a watch that sees nothing passes the time
    auto quiet = api->OpenWatch({.type = ConfigMaps(), .ns = "ns"});
    while (peer.Chunk(" ")) (*quiet)->Next(Millis(50));
  });
  auto api = Open(Config(server), {.silence = Seconds(5), .whole = Seconds(1)});
  const auto begin = steady_clock::now();
  ErrorOf(*api);
  EXPECT_LT(steady_clock::now() - begin, Seconds(10));
}

TEST_F(HttpApiTest, RefusedConnectionsSaySo) {
  ClientConfig config;
  {
    TlsServer server(own_, Always(200, kMap));
    config = Config(server);
  }
  auto api = Open(config);
  EXPECT_NE(ErrorOf(*api).find("cannot connect"), std::string::npos);
}

// The server was restarted: connections that lay idle are dead.
TEST_F(HttpApiTest, AReadOnADeadIdleConnectionIsRepeated) {
  std::atomic<int> served{0};
  TlsServer server(own_, [&](TlsPeer& peer) {
    peer.Read();
    if (++served == 1) {
      peer.Answer(200, kMap);
      peer.Read();  // the second request is read and never answered
      return;
    }
    peer.Answer(200, kMap);
  });
  auto api = Open(Config(server));
  EXPECT_EQ(Must(*api, GetOf("a")).code, 200);
  EXPECT_EQ(Must(*api, GetOf("a")).code, 200);
  EXPECT_EQ(served, 2);
}

TEST_F(HttpApiTest, AWriteWhoseAnswerIsLostIsNotRepeatedByUs) {
  std::atomic<int> writes{0};
  TlsServer server(own_, [&](TlsPeer& peer) {
    while (auto request = peer.Read()) {
      if (request->head.starts_with("POST")) {
        ++writes;
        return;
      }
      peer.Answer(200, kMap);
    }
  });
  auto api = Open(Config(server));
  Must(*api, GetOf("a"));
  auto answer = api->Do(CreateOf(MakeMap("a")));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_EQ(writes, 1);  // later versions of the library may make it 2
}

// Without TCP_NODELAY each of these takes 40 ms.
TEST_F(HttpApiTest, WritesDoNotWaitForAcknowledgements) {
  TlsServer server(own_, Always(201, kMap));
  auto api = Open(Config(server));
  Must(*api, CreateOf(MakeMap("a")));
  const auto begin = steady_clock::now();
  constexpr int kWrites = 50;
  for (int i = 0; i < kWrites; ++i) Must(*api, CreateOf(MakeMap("a", std::string(4000, 'x'))));
  EXPECT_LT(steady_clock::now() - begin, kWrites * Millis(20));
}

TEST_F(HttpApiTest, ManyThreadsShareTheConnections) {
  TlsServer server(own_, Always(200, kMap));
  auto api = Open(Config(server));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) EXPECT_EQ(Must(*api, GetOf("a")).code, 200);
    });
  }
  threads.clear();
  EXPECT_LE(server.connections(), 8);
}

// A library that waits by select() fails from 1024 on.
TEST_F(HttpApiTest, DescriptorsMayBeMany) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit before = limit;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<UniqueFd> many;
  while (many.empty() || (many.back().valid() && many.back().get() < 1100)) {
    many.emplace_back(dup(STDERR_FILENO));
  }
  {
    TlsServer server(own_, Always(200, kMap));
    auto api = Open(Config(server));
    EXPECT_EQ(Must(*api, GetOf("a")).code, 200);
  }
  many.clear();
  setrlimit(RLIMIT_NOFILE, &before);
}

// --- Watches -------------------------------------------------------------------------------------

std::unique_ptr<Watch> Follow(Api& api) {
  auto watch = api.OpenWatch({.type = ConfigMaps(), .ns = "ns", .resource_version = "5"});
  EXPECT_TRUE(watch.has_value());
  return std::move(*watch);
}

void ExpectEnd(Watch& watch) {
  EXPECT_FALSE(watch.Next(kLong).has_value());
  EXPECT_TRUE(watch.Ended());
}

TEST_F(HttpApiTest, WatchesBringEventsHoweverTheyAreCut) {
  std::string head;
  TlsServer server(own_, [&](TlsPeer& peer) {
    head = peer.Read()->head;
    peer.Begin();
    const std::string all = EventLine("ADDED", kMap) + EventLine("MODIFIED", kMap) +
                            EventLine("BOOKMARK", R"({"metadata":{"resourceVersion":"9"}})") +
                            EventLine("DELETED", kMap);
    for (size_t at = 0; at < all.size(); at += 7) peer.Chunk(all.substr(at, 7));
    peer.End();
  });
  auto api = Open(Config(server));
  auto watch = Follow(*api);
  std::vector<Type> types;
  while (auto event = watch->Next(kLong)) types.push_back(event->type);
  EXPECT_EQ(types,
            (std::vector<Type>{Type::kAdded, Type::kModified, Type::kBookmark, Type::kDeleted}));
  ExpectEnd(*watch);
  EXPECT_NE(head.find("watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=300"),
            std::string::npos);
  EXPECT_NE(head.find("Accept-Encoding: identity\r\n"), std::string::npos);
}

TEST_F(HttpApiTest, AQuietWatchOutlivesTheLibrarysOwnTimeout) {
  std::promise<void> late;
  TlsServer server(own_, [&](TlsPeer& peer) {
    peer.Read();
    peer.Begin();
    late.get_future().wait();
    peer.Chunk(EventLine("ADDED", kMap));
    peer.Hold();
  });
  auto api = Open(Config(server));
  auto watch = Follow(*api);
  EXPECT_FALSE(watch->Next(Millis(5500)).has_value());  // its default is 5 s
  EXPECT_FALSE(watch->Ended());
  late.set_value();
  EXPECT_TRUE(watch->Next(kLong).has_value());
}

TEST_F(HttpApiTest, ADeadWatchEnds) {
  TlsServer server(own_, [](TlsPeer& peer) {
    peer.Read();
    peer.Begin();
    peer.Chunk(EventLine("ADDED", kMap));
    peer.Hold();
  });
  auto api = Open(Config(server), {.watch_silence = Seconds(1)});
  auto watch = Follow(*api);
  EXPECT_TRUE(watch->Next(kLong).has_value());
  ExpectEnd(*watch);
}

TEST_F(HttpApiTest, ARefusedWatchSaysWhyAndEnds) {
  const std::string gone = R"({"kind":"Status","code":410,"reason":"Expired","message":"old"})";
  TlsServer server(own_, Always(410, gone, "Retry-After: 3\r\n"));
  auto api = Open(Config(server));
  auto watch = Follow(*api);
  auto event = watch->Next(kLong);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, Type::kError);
  EXPECT_NE(event->object.find(R"("code":410)"), std::string::npos);
  EXPECT_NE(event->object.find(R"("retryAfterSeconds":3)"), std::string::npos);
  ExpectEnd(*watch);
}

TEST_F(HttpApiTest, AWatchWithoutServerSaysWhyAndEnds) {
  ClientConfig config;
  {
    TlsServer server(own_, Always(200, kMap));
    config = Config(server);
  }
  auto api = Open(config);
  auto watch = Follow(*api);
  auto event = watch->Next(kLong);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, Type::kError);
  EXPECT_NE(event->object.find("cannot connect"), std::string::npos);
  ExpectEnd(*watch);
}

TEST_F(HttpApiTest, APageInsteadOfEventsIsAnError) {
  TlsServer server(own_, Always(200, "<html>\n<p>log in</p>\n"));
  auto api = Open(Config(server));
  auto watch = Follow(*api);
  auto event = watch->Next(kLong);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, Type::kError);
  ExpectEnd(*watch);
}

TEST_F(HttpApiTest, HalfAnEventIsDropped) {
  TlsServer server(own_, [](TlsPeer& peer) {
    peer.Read();
    peer.Begin();
    peer.Chunk(EventLine("ADDED", kMap) + EventLine("MODIFIED", kMap).substr(0, 60));
  });
  auto api = Open(Config(server));
  auto watch = Follow(*api);
  EXPECT_EQ(watch->Next(kLong)->type, Type::kAdded);
  ExpectEnd(*watch);
}

TEST_F(HttpApiTest, StopNeverWaits) {
  TlsServer server(own_, [](TlsPeer& peer) { peer.Hold(); });
  auto api = Open(Config(server));
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 20; ++i) watches.push_back(Follow(*api));
  const auto begin = steady_clock::now();
  for (auto& watch : watches) watch->Stop();
  EXPECT_FALSE(watches[0]->Next(kLong).has_value());
  watches.clear();  // joins their threads
  EXPECT_LT(steady_clock::now() - begin, kLong * 3 / 4);
}

// A listener whose queue is full lets clients hang in connect().
class FullListener {
 public:
  FullListener() {
    socklen_t size = sizeof address_;
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_.get(), Address(), size), 0);
    EXPECT_EQ(listen(listener_.get(), 0), 0);
    getsockname(listener_.get(), Address(), &size);
    for (UniqueFd& filler : fillers_) {
      filler.Reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      connect(filler.get(), Address(), size);
    }
  }
  std::string url() const {
    return "https://127.0.0.1:" + std::to_string(ntohs(address_.sin_port));
  }

 private:
  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address_); }

  sockaddr_in address_{};
  UniqueFd listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  UniqueFd fillers_[4];
};

TEST_F(HttpApiTest, StopDoesNotWaitForAConnect) {
  const FullListener listener;
  ClientConfig config;
  config.server = listener.url();
  config.ca.text = ca_.certificate_pem;
  auto api = Open(config);
  auto watch = Follow(*api);
  EXPECT_FALSE(watch->Next(Millis(300)).has_value());
  EXPECT_FALSE(watch->Ended());
  const auto begin = steady_clock::now();
  watch.reset();
  EXPECT_LT(steady_clock::now() - begin, Seconds(3));
  // Without a stop it is given up after the connect timeout.
  auto patient = Open(config, {.connect_timeout = Seconds(1)});
  EXPECT_NE(ErrorOf(*patient).find("connect"), std::string::npos);
}

TEST_F(HttpApiTest, ASlowReaderHoldsTheServerBack) {
  std::atomic<int> sent{0};
  const std::string big(1 << 20, 'x');
  constexpr int kEvents = 200;
  TlsServer server(own_, [&](TlsPeer& peer) {
    peer.Read();
    peer.Begin();
    const std::string line = EventLine("ADDED", R"({"data":")" + big + R"("})");
    while (sent < kEvents && peer.Chunk(line)) ++sent;
    peer.End();
  });
  auto api = Open(Config(server));
  auto watch = Follow(*api);
  ASSERT_TRUE(watch->Next(kLong).has_value());
  ASSERT_TRUE(watch->Next(kLong).has_value());
  EXPECT_LT(sent, 100);
  int got = 2;
  while (watch->Next(kLong)) ++got;
  EXPECT_EQ(got, kEvents);
}

// Stopping writes a farewell to a connection that the server has closed.
TEST_F(HttpApiTest, StoppingAWatchDoesNotKillTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto run = [this] {
    signal(SIGPIPE, SIG_DFL);
    TlsServer server(own_, [](TlsPeer& peer) {
      peer.Read();
      peer.Begin();
      peer.Chunk(EventLine("ADDED", kMap));
      peer.Hold();
    });
    auto api = Open(Config(server));
    for (int i = 0; i < 10; ++i) {
      auto watch = Follow(*api);
      watch->Next(kLong);
      watch->Stop();
    }
    _exit(7);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace pj::kube
