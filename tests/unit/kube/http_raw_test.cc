#include "kube/http_api.h"
#include "tls_fixture.h"

namespace pj::kube {
namespace {

class HttpRawTest : public TlsFixture {};

TEST_F(HttpRawTest, RawAnswersComeAsTheyAre) {
  TlsServer server(own_, [](TlsPeer& peer) {
    while (auto request = peer.Read()) {
      const bool log = request->head.starts_with("GET /api/v1/namespaces/a%2Fb/pods/p/log?x=1 ");
      peer.Answer(log ? 200 : 403, log ? "no JSON\n" : R"({"reason":"Forbidden","message":"no"})");
    }
  });
  auto api = HttpApi::Open(Config(server)).value();
  const std::string path = "/api/v1/namespaces/" + PercentEncoded("a/b") + "/pods/p/log?x=1";
  const auto kept = api->GetRaw({.path = path});
  ASSERT_TRUE(kept) << kept.error().ToString();
  EXPECT_EQ(kept->body, "no JSON\n");
  std::string pieces;
  const auto streamed = api->GetRaw({.path = path}, [&](std::string_view piece) {
    pieces += piece;
    return true;
  });
  ASSERT_TRUE(streamed && streamed->ok());
  EXPECT_EQ(pieces, "no JSON\n");
  EXPECT_EQ(api->GetRaw({.path = path}, [](std::string_view) { return false; }).error().code,
            Code::kUnavailable);
  const auto refused = api->GetRaw({.path = "/version"}, [&](std::string_view piece) {
    pieces += piece;
    return true;
  });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, 403);
  EXPECT_EQ(refused->reason, "Forbidden");
  EXPECT_EQ(pieces, "no JSON\n") << "bad news are no part of the stream";
}

}  // namespace
}  // namespace pj::kube
