#include "base/yaml_doc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.h"

namespace pj {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  std::vector<YamlNode> documents;
  Diagnostics found;
  std::string First() const { return found.all().empty() ? "" : found.all()[0].ToString(); }
};

Parsed Parse(std::string_view text, YamlDialect dialect = YamlDialect::kKubectl) {
  Parsed out;
  out.documents = ParseYaml(text, "f.yaml", dialect, &out.found);
  return out;
}

std::string PlaceOf(const YamlNode& node) {
  return std::to_string(node.line) + ":" + std::to_string(node.column);
}

// The place of `key`'s value in the first document.
std::string ValuePlace(const std::string& text, const std::string& key) {
  const Parsed parsed = Parse(text);
  if (parsed.documents.empty()) return parsed.First();
  const YamlNode* node = parsed.documents[0].Find(key);
  return node == nullptr ? "none" : PlaceOf(*node);
}

TEST(YamlDoc, ReadsTree) {
  const Parsed p = Parse("a: 1\nb: [x, 'y']\nc:\n  d: \"e\"\n");
  ASSERT_EQ(p.documents.size(), 1u) << p.First();
  const YamlNode& root = p.documents[0];
  EXPECT_EQ(root.Find("a")->scalar, "1");
  EXPECT_TRUE(root.Find("a")->plain);
  ASSERT_EQ(root.Find("b")->items.size(), 2u);
  EXPECT_FALSE(root.Find("b")->items[1].plain);
  EXPECT_EQ(root.Find("c")->Find("d")->scalar, "e");
  EXPECT_EQ(root.Find("missing"), nullptr);
}

TEST(YamlDoc, ReadsSeveralDocuments) {
  EXPECT_EQ(Parse("a: 1\n---\nb: 2\n").documents.size(), 2u);
  EXPECT_EQ(Parse("a: 1\n...\n---\nb: 2\n").documents.size(), 2u);
  EXPECT_EQ(Parse("").documents.size(), 0u);
  EXPECT_EQ(Parse("# only a comment\n").documents.size(), 0u);
}

TEST(YamlDoc, RefusesTextAfterTheDocument) {
  EXPECT_THAT(Parse("a: 1\n}\n").First(), HasSubstr("f.yaml:2:1: error: "));
  EXPECT_TRUE(Parse("\"x\"\ny: 1\n").found.HasErrors());
  EXPECT_TRUE(Parse("[a]\nb\n").found.HasErrors());
}

TEST(YamlDoc, PlacesOfValues) {
  EXPECT_EQ(ValuePlace("a: 1\nb:  x\n", "b"), "2:5");
  EXPECT_EQ(ValuePlace("ä€😀: x\n", "ä€😀"), "1:6") << "columns count code points";
  EXPECT_EQ(ValuePlace("{ü: 1, b: 2}\n", "b"), "1:11");
  EXPECT_EQ(ValuePlace("\xEF\xBB\xBF"
                       "a: x\n",
                       "a"),
            "1:4")
      << "a byte order mark is no column";
  EXPECT_EQ(ValuePlace("x: 1\r\na: y\r\n", "a"), "2:4");
}

TEST(YamlDoc, PlacesOfEmptyValues) {
  EXPECT_EQ(ValuePlace("a:\nb: 1\n", "a"), "1:3");
  EXPECT_EQ(ValuePlace("a:   # why\n\n# more\nb: 1\n", "a"), "1:3");
  EXPECT_EQ(ValuePlace("z: 1\na:\n", "a"), "2:3");
  EXPECT_EQ(ValuePlace("z: 1\na:", "a"), "2:3");
  EXPECT_EQ(ValuePlace("{a: , b: 1}\n", "a"), "1:4");
  EXPECT_EQ(ValuePlace("a: ~\n", "a"), "1:4");
  EXPECT_EQ(ValuePlace("a: null\n", "a"), "1:4");
  EXPECT_EQ(ValuePlace("a:\n  null\n", "a"), "2:3");
  EXPECT_EQ(ValuePlace("a:\n'null': 3\n", "a"), "1:3");
  const Parsed p = Parse("a:\n-\n- x\n-\n");
  ASSERT_EQ(p.documents.size(), 1u) << p.First();
  EXPECT_EQ(PlaceOf(p.documents[0].Find("a")->items[0]), "2:2");
  EXPECT_EQ(PlaceOf(p.documents[0].Find("a")->items[2]), "4:2");
}

TEST(YamlDoc, AliasStandsWhereItIsWritten) {
  EXPECT_EQ(ValuePlace("a: &x 1\nbb: *x\n", "bb"), "2:5");
  const Parsed p = Parse("a: &x {k: v}\nb: *x\n");
  EXPECT_EQ(p.documents[0].Find("b")->Find("k")->scalar, "v");
}

TEST(YamlDoc, PlacesInsideBlocks) {
  const std::string text =
      "a: >-\n"
      "  --one 1\n"
      "  --two 2\n"
      "\n"
      "  --drei €\n"
      "b: |\n"
      "    x\n"
      "      y\n";
  const Parsed p = Parse(text);
  ASSERT_EQ(p.documents.size(), 1u) << p.First();
  const YamlNode& a = *p.documents[0].Find("a");
  const auto at = [](const YamlNode& node, const std::string& word) {
    const auto place = node.PlaceOf(node.scalar.find(word));
    return std::to_string(place.line) + ":" + std::to_string(place.column);
  };
  EXPECT_EQ(at(a, "--one"), "2:3");
  EXPECT_EQ(at(a, "2"), "3:9");
  EXPECT_EQ(at(a, "--drei"), "5:3");
  EXPECT_EQ(at(a, "€"), "5:10");
  EXPECT_EQ(at(*p.documents[0].Find("b"), "y"), "8:7");
  const Parsed q = Parse("a: one\n  two three\nb: 'x\n  y z'\nc: \"p q\"\n");
  ASSERT_EQ(q.documents.size(), 1u) << q.First();
  EXPECT_EQ(at(*q.documents[0].Find("a"), "three"), "2:7");
  EXPECT_EQ(at(*q.documents[0].Find("b"), "z"), "4:5");
  EXPECT_EQ(at(*q.documents[0].Find("c"), "q"), "5:7");
}

TEST(YamlDoc, RefusesBytesThatAreNoText) {
  EXPECT_THAT(Parse(std::string_view("a: \0x", 5)).First(), HasSubstr("f.yaml:1:4: error: "));
  EXPECT_THAT(Parse(std::string_view("a: \0x", 5)).First(), HasSubstr("U+0000"));
  EXPECT_THAT(Parse("a: 1\nb: \xC3\x28\n").First(), HasSubstr("2:4: error: byte 0xc3"));
  EXPECT_THAT(Parse("a: \xC0\xAF").First(), HasSubstr("not UTF-8")) << "overlong";
  EXPECT_THAT(Parse("a: \xED\xA0\x80").First(), HasSubstr("not UTF-8")) << "surrogate";
  EXPECT_THAT(Parse("a: \xF4\x90\x80\x80").First(), HasSubstr("not UTF-8")) << "beyond U+10FFFF";
  EXPECT_THAT(Parse("a: \xE2\x82").First(), HasSubstr("not UTF-8")) << "cut";
  EXPECT_THAT(Parse(std::string_view("\xFF\xFE"
                                     "a\0",
                                     4))
                  .First(),
              HasSubstr("UTF-16"));
  EXPECT_THAT(Parse("a: \x04").First(), HasSubstr("U+0004"));
  EXPECT_THAT(Parse("a: \"x\\0y\"").First(), HasSubstr("NUL")) << "by escape";
}

TEST(YamlDoc, RefusesTabsInIndentation) {
  EXPECT_THAT(Parse("a:\n\tb: 1\n").First(), HasSubstr("f.yaml:2:1: error: a tab"));
  EXPECT_THAT(Parse("a:\n  b: 1\n  \tc: 1\n").First(), HasSubstr("3:3: error: a tab"));
  EXPECT_FALSE(Parse("a: |\n  x\n  \ty\n").found.HasErrors()) << "text may hold tabs";
  EXPECT_FALSE(Parse("a: 1\t# comment\n\t\nb: 2\n").found.HasErrors());
}

TEST(YamlDoc, RefusesBombs) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 8; ++j) bomb += "," + last;
    bomb += "]\n";
  }
  EXPECT_THAT(Parse(bomb).First(), HasSubstr("more than 100000 values"));
  std::string heavy = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [*a, *a, *a, *a, *a]\n";
  EXPECT_THAT(Parse(heavy).First(), HasSubstr("bytes of text"));
}

TEST(YamlDoc, RefusesSelfReference) {
  EXPECT_THAT(Parse("&a [*a]").First(), HasSubstr("f.yaml:1:5: error: this alias stands inside"));
  EXPECT_TRUE(Parse("a: &x {b: *x}").found.HasErrors());
  EXPECT_TRUE(Parse("a: *unknown").found.HasErrors());
}

TEST(YamlDoc, LimitsDepthAndSize) {
  for (const std::string& deep : {std::string(100000, '['),
                                  [] {
                                    std::string s;
                                    for (int i = 0; i < 50000; ++i) s += "- ";
                                    return s;
                                  }(),
                                  [] {
                                    std::string s;
                                    for (int i = 0; i < 50000; ++i) s += "{a: ";
                                    return s;
                                  }()}) {
    EXPECT_THAT(Parse(deep).First(), HasSubstr("nested deeper than 64"));
  }
  std::string aliases = "a0: &a0 [x]\n";
  for (int i = 1; i < 80; ++i) {
    aliases += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" +
               std::to_string(i - 1) + "]\n";
  }
  EXPECT_THAT(Parse(aliases).First(), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(Parse(std::string(limits::kYamlBytes + 1, '#')).First(),
              HasSubstr("at most 4194304"));
  std::string wide = "[";
  for (size_t i = 0; i < limits::kYamlNodes + 10; ++i) wide += "1,";
  EXPECT_THAT(Parse(wide + "]").First(), HasSubstr("more than 100000 values"));
}

TEST(YamlDoc, OneLongLineIsNotQuadratic) {
  std::string line = "{";
  for (int i = 0; i < 20000; ++i)
    line += "k" + std::to_string(i) + ": \"" + std::string(60, 'x') + "\", ";
  EXPECT_EQ(Parse(line + "z: 1}").documents.size(), 1u);
}

TEST(YamlDoc, DuplicateKeys) {
  const Parsed strict = Parse("a: 1\nb: 2\na: 3\n");
  EXPECT_THAT(strict.First(),
              HasSubstr("f.yaml:3:1: error: a: this key stands here twice, first in "
                        "line 1"));
  const Parsed lax = Parse("a: 1\nb: 2\n\"a\": 3\n", YamlDialect::kPython);
  ASSERT_EQ(lax.documents.size(), 1u);
  EXPECT_TRUE(lax.found.HasWarnings());
  EXPECT_EQ(lax.documents[0].Find("a")->scalar, "3");
  EXPECT_EQ(lax.documents[0].entries.size(), 2u);
}

TEST(YamlDoc, MergesKeys) {
  const Parsed p = Parse(
      "base: &b {x: 1, y: 2}\n"
      "other: &o {y: 3, z: 4}\n"
      "one:\n  <<: *b\n  x: 9\n"
      "two: {<<: [*b, *o], w: 0}\n");
  ASSERT_EQ(p.documents.size(), 1u) << p.First();
  const YamlNode& one = *p.documents[0].Find("one");
  EXPECT_EQ(one.Find("x")->scalar, "9") << "what is written wins";
  EXPECT_EQ(one.Find("y")->scalar, "2");
  EXPECT_EQ(one.Find("<<"), nullptr);
  const YamlNode& two = *p.documents[0].Find("two");
  EXPECT_EQ(two.Find("y")->scalar, "2") << "the first of the list wins";
  EXPECT_EQ(two.Find("z")->scalar, "4");
  EXPECT_THAT(Parse("a: {<<: 5}").First(), HasSubstr("<<: takes a mapping"));
  EXPECT_NE(Parse("a: {'<<': 5}").documents[0].Find("a")->Find("<<"), nullptr);
}

TEST(YamlDoc, KeysAreText) {
  EXPECT_EQ(Parse("a: ${{x}}").documents[0].Find("a")->scalar, "${{x}}");
  EXPECT_THAT(Parse("a:\nnull: 3\n").First(), HasSubstr("f.yaml:2:1: error: a key must be text"));
  EXPECT_THAT(Parse("{a: b}: c").First(), HasSubstr("error"));
  EXPECT_THAT(Parse("a: {{x}}").First(), HasSubstr("a key must be text"));
  EXPECT_TRUE(Parse("~: x").found.HasErrors());
}

TEST(YamlDoc, SyntaxErrorsHaveAPlace) {
  EXPECT_THAT(Parse("a: [1, 2\n").First(), HasSubstr("f.yaml:"));
  EXPECT_THAT(Parse("a: b: c\n").First(), HasSubstr("f.yaml:1:"));
  EXPECT_THAT(Parse("a: 'x\n").First(), HasSubstr("1:4: error: this quoted text has no end"));
  EXPECT_THAT(Parse("a: !foo x\n").First(), HasSubstr("the tag !foo is not supported"));
}

TEST(YamlDoc, EveryCutOfAFileEndsInTreeOrError) {
  const std::string text =
      "a: &x [1, {b: \"c\\n\"}]\n<<: {q: *x}\nd: >-\n  e\n  f\n? g\n: 'h'\ni: !!str 5\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const Parsed p = Parse(text.substr(0, cut));
    EXPECT_TRUE(p.found.HasErrors() ? p.documents.empty() : true) << cut;
  }
}

}  // namespace
}  // namespace pj
