#include "base/json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/utf8.h"

namespace pj {
namespace {

std::string Nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonTest, DepthIsBounded) {
  EXPECT_TRUE(ParseJson(Nested(limits::kJsonDepth)));
  for (const size_t depth : {limits::kJsonDepth + 1, size_t{100'000}}) {
    const auto parsed = ParseJson(Nested(depth), "file.json");
    ASSERT_FALSE(parsed) << depth;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_EQ(parsed.error().where, "file.json");
    EXPECT_NE(parsed.error().message.find("nested deeper than 64"), std::string::npos);
  }
  std::string objects;
  for (int i = 0; i < 100; ++i) objects += "{\"a\":";
  EXPECT_FALSE(ParseJson(objects + "1" + std::string(100, '}')));
}

TEST(JsonTest, BrokenDocumentsAreInvalid) {
  for (const std::string& bad :
       std::vector<std::string>{"", "{", "[1,]", "{\"a\":}", "nul", "1 2", "\"\xff\"", "{} x",
                                "'a'", "{a:1}", "NaN", "\"\\ud800\""}) {
    EXPECT_EQ(ParseJson(bad).error().code, Code::kInvalid) << bad;
  }
}

TEST(JsonTest, IntegersAreCheckedAndNeverWrap) {
  EXPECT_EQ(CheckedInt(*ParseJson("4294967297")), 4294967297);
  EXPECT_EQ(CheckedInt(*ParseJson("9223372036854775807")), INT64_MAX);
  EXPECT_EQ(CheckedInt(*ParseJson("-9223372036854775808")), INT64_MIN);
  for (const char* bad : {"9223372036854775808", "18446744073709551615", "1.9", "1.0", "1e3",
                          "\"1\"", "true", "null", "[1]", "100000000000000000000"}) {
    EXPECT_EQ(CheckedInt(*ParseJson(bad)), std::nullopt) << bad;
  }
}

TEST(JsonTest, DumpingBrokenUtf8DoesNotThrow) {
  EXPECT_EQ(DumpJson(Json("a\xff")), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(DumpJson(*ParseJson("{\"b\":1,\"a\":2}")), "{\"b\":1,\"a\":2}") << "order is kept";
}

TEST(Utf8Test, OnlyTheShortestFormOfAScalarIsValid) {
  EXPECT_EQ(DecodeUtf8("\xe2\x82\xac", 0).value, U'\u20ac');
  EXPECT_EQ(DecodeUtf8("\xf4\x8f\xbf\xbf", 0).size, 4u);
  for (const std::string& bad :
       std::vector<std::string>{"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                                "\xf4\x90\x80\x80", "\xff", "\xe2\x82", "\xc3("}) {
    EXPECT_EQ(DecodeUtf8(bad, 0).size, 0u) << bad.size();
  }
  EXPECT_EQ(CountCodePoints("a\xe2\x82\xac\xf0\x9f\x98\x80"), 3u);
}

}  // namespace
}  // namespace pj
