#include "report/text.h"

#include <gtest/gtest.h>

namespace pj::report {
namespace {

std::string Csv(std::string_view text) {
  std::string out;
  AppendCsvText(text, &out);
  return out;
}

TEST(EscapedTest, OrdinaryTextStays) {
  EXPECT_EQ(Escaped("Grüße, \u65e5\u672c \xf0\x9f\x98\x80 \\ \""),
            "Grüße, \u65e5\u672c \xf0\x9f\x98\x80 \\ \"");
}

TEST(EscapedTest, ControlCharactersBecomeVisible) {
  EXPECT_EQ(Escaped(std::string_view("a\0b\x1b[31m\x7f\r\n\t", 12)),
            "a\\x00b\\x1b[31m\\x7f\\r\\n\\t");
  EXPECT_EQ(Escaped("\u0085\u202e\u2066\ufeff"), "\\x85\\u202e\\u2066\\ufeff");
  EXPECT_EQ(Escaped("a\n\tb\r", Lines::kKeep), "a\n\tb\\r");
}

TEST(EscapedTest, WhatIsNoUtf8LooksAsInPython) {
  EXPECT_EQ(Escaped("\x80"), "\\udc80");
  EXPECT_EQ(Escaped("\xed\xb2\x80"), "\\udc80") << "a surrogate that was encoded all the same";
  EXPECT_EQ(Escaped("\xed\xa0\xbd"), "\\ud83d");
  EXPECT_EQ(Escaped("a\xff\xe2\x82"), "a\\udcff\\udce2\\udc82");
}

TEST(CsvTest, FieldsAreQuotedWhereNeeded) {
  EXPECT_EQ(Csv("plain"), "plain");
  EXPECT_EQ(Csv(""), "");
  EXPECT_EQ(Csv("a,b"), "\"a,b\"");
  EXPECT_EQ(Csv("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(Csv("two\nlines"), "two\\nlines");
  EXPECT_EQ(Csv(" blank "), "\" blank \"");
}

TEST(CsvTest, FormulasAreDisarmed) {
  EXPECT_EQ(Csv("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
  for (const std::string first : {"=", "+", "-", "@"})
    EXPECT_EQ(Csv(first + "1"), "'" + first + "1");
  EXPECT_EQ(Csv("\t=1"), "'\\t=1");
}

TEST(NumbersTest, SecondsHaveSixDecimals) {
  const std::pair<int64_t, const char*> cases[] = {{0, "0.000000"},
                                                   {1'999, "0.000001"},
                                                   {1'500'000'000, "1.500000"},
                                                   {-5, "0.000000"},
                                                   {INT64_MAX, "9223372036.854775"}};
  for (const auto& [nanos, text] : cases) {
    std::string out;
    AppendSeconds(nanos, &out);
    EXPECT_EQ(out, text);
  }
}

TEST(NamesTest, FileNamesHoldNoPath) {
  EXPECT_EQ(ProcessName(7), "process007");
  EXPECT_EQ(ProcessName(1234), "process1234");
  EXPECT_EQ(SafeFileName("instance-0"), "instance-0");
  EXPECT_EQ(SafeFileName("../a b"), "_.._a_b");
  EXPECT_EQ(SafeFileName(""), "_");
}

}  // namespace
}  // namespace pj::report
