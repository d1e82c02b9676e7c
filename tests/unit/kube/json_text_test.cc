#include "kube/json_text.h"

#include <gtest/gtest.h>

#include <vector>

namespace pj::kube {
namespace {

TEST(JsonText, FindsMembersOfTheOuterObjectOnly) {
  const std::string text =
      R"( { "a" : {"b": 1, "x": "}\"{"} , "b":[1,{"b":2}], "c": "q\"b\":",
          "b2":null, "d":-1.5e3 } )";
  EXPECT_EQ(*JsonMember(text, "a"), R"({"b": 1, "x": "}\"{"})");
  EXPECT_EQ(*JsonMember(text, "b"), R"([1,{"b":2}])");
  EXPECT_EQ(*JsonMember(text, "b2"), "null");
  EXPECT_EQ(*JsonMember(text, "d"), "-1.5e3");
  EXPECT_EQ(*JsonMember(text, "x"), "");
  EXPECT_EQ(*JsonMember("{}", "x"), "");
}

TEST(JsonText, WhatBreaksOffIsAnError) {
  const std::string whole = R"({"metadata":{"resourceVersion":"7"},"items":[{"a":"\\"}]})";
  ASSERT_TRUE(JsonMember(whole, "none").has_value());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(JsonMember(whole.substr(0, size), "none").has_value()) << size;
  }
  for (const char* bad : {"", "[]", "<html>", "{\"a\"}", "{\"a\":}", "{a:1}"}) {
    EXPECT_FALSE(JsonMember(bad, "a").has_value() && JsonMember(bad, "b").has_value()) << bad;
  }
}

TEST(JsonText, WhatIsNotWantedIsLeftOut) {
  const std::string text =
      R"({"a":{"big":[1,{"x":"}"}],"b":2},"spec":{"t":{"u":1},"n":"x"},"z":3})";
  EXPECT_EQ(Without(text, {"a.big", "spec.t"}),
            R"({"a":{"big":null,"b":2},"spec":{"t":null,"n":"x"},"z":3})");
  EXPECT_EQ(Without(text, {"z", "spec", "spec.t.u", "a.none", "none.b", "z.y"}),
            R"({"a":{"big":[1,{"x":"}"}],"b":2},"spec":null,"z":null})");
  for (const char* none : {"", "[1]", "{\"a\":", "<html>"}) {
    EXPECT_EQ(Without(none, {"a", "a.b"}), none);
  }
}

TEST(JsonText, CutsArraysIntoElements) {
  std::vector<std::string> got;
  const auto take = [&](std::string_view element) -> Status {
    got.emplace_back(element);
    return {};
  };
  EXPECT_TRUE(ForEachElement(R"( [ {"a":[1,2]} , "x,]" , 3 ] )", take).has_value());
  EXPECT_EQ(got, (std::vector<std::string>{R"({"a":[1,2]})", R"("x,]")", "3"}));
  EXPECT_TRUE(ForEachElement("[]", take).has_value());
  EXPECT_EQ(got.size(), 3u);
  for (const char* bad : {"", "{}", "[1,]", "[1", "[1 2]", "[,]"}) {
    EXPECT_FALSE(ForEachElement(bad, take).has_value()) << bad;
  }
}

TEST(JsonText, StringsAreUnescaped) {
  EXPECT_EQ(JsonString(R"("plain")"), "plain");
  EXPECT_EQ(JsonString(R"("a\u003db")"), "a=b");
  EXPECT_EQ(JsonString("12"), "");
  EXPECT_EQ(JsonString(""), "");
}

TEST(JsonText, VersionOfObjectsAndLists) {
  EXPECT_EQ(VersionOf(R"({"spec":{"metadata":{"resourceVersion":"1"}},
                          "metadata":{"name":"x","resourceVersion":"42"}})"),
            "42");
  EXPECT_EQ(VersionOf(R"({"metadata":{}})"), "");
  EXPECT_EQ(VersionOf("nonsense"), "");
}

// A deep text must not cost stack.
TEST(JsonText, DepthCostsNothing) {
  const std::string deep =
      R"({"a":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + R"(,"b":1})";
  EXPECT_EQ(*JsonMember(deep, "b"), "1");
}

}  // namespace
}  // namespace pj::kube
