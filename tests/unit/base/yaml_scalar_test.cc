#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "base/yaml_doc.h"

namespace pj {
namespace {

struct Case {
  const char* text;
  YamlValue value;
};

YamlNode Plain(const std::string& text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = text;
  return node;
}

// What PyYAML's safe_load made of each word.
TEST(YamlScalar, WordsAsPython) {
  const Case cases[] = {
      {"yes", YamlValue(true)},
      {"Yes", YamlValue(true)},
      {"YES", YamlValue(true)},
      {"yEs", YamlValue(std::string("yEs"))},
      {"no", YamlValue(false)},
      {"on", YamlValue(true)},
      {"On", YamlValue(true)},
      {"off", YamlValue(false)},
      {"OFF", YamlValue(false)},
      {"y", YamlValue(std::string("y"))},
      {"n", YamlValue(std::string("n"))},
      {"true", YamlValue(true)},
      {"True", YamlValue(true)},
      {"TRUE", YamlValue(true)},
      {"tRUE", YamlValue(std::string("tRUE"))},
      {"false", YamlValue(false)},
      {"~", YamlValue()},
      {"null", YamlValue()},
      {"Null", YamlValue()},
      {"NULL", YamlValue()},
      {"nUll", YamlValue(std::string("nUll"))},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ResolveScalar(Plain(c.text), YamlDialect::kPython), c.value) << c.text;
  }
}

// The numbers of the same source.
TEST(YamlScalar, NumbersAsPython) {
  const Case cases[] = {
      {"010", YamlValue(int64_t{8})},
      {"08", YamlValue(std::string("08"))},
      {"0o10", YamlValue(std::string("0o10"))},
      {"0", YamlValue(int64_t{0})},
      {"00", YamlValue(int64_t{0})},
      {"-0", YamlValue(int64_t{0})},
      {"1", YamlValue(int64_t{1})},
      {"+5", YamlValue(int64_t{5})},
      {"-7", YamlValue(int64_t{-7})},
      {"1_000", YamlValue(int64_t{1000})},
      {"_1", YamlValue(std::string("_1"))},
      {"0_1", YamlValue(int64_t{1})},
      {"1__0", YamlValue(int64_t{10})},
      {"1:30", YamlValue(int64_t{90})},
      {"1:30:00", YamlValue(int64_t{5400})},
      {"0:30", YamlValue(std::string("0:30"))},
      {"1:60", YamlValue(std::string("1:60"))},
      {"1:30.5", YamlValue(90.5)},
      {"-1:30", YamlValue(int64_t{-90})},
      {"1e3", YamlValue(std::string("1e3"))},
      {"1E3", YamlValue(std::string("1E3"))},
      {"1e+3", YamlValue(std::string("1e+3"))},
      {"1.0e3", YamlValue(std::string("1.0e3"))},
      {"1.0e+3", YamlValue(1000.0)},
      {"1.5", YamlValue(1.5)},
      {".5", YamlValue(0.5)},
      {"-.5", YamlValue(std::string("-.5"))},
      {"+.5", YamlValue(std::string("+.5"))},
      {"1.", YamlValue(1.0)},
      {"1_0.5", YamlValue(10.5)},
      {"0x1F", YamlValue(int64_t{31})},
      {"0X1F", YamlValue(std::string("0X1F"))},
      {"-0x10", YamlValue(int64_t{-16})},
      {"0x", YamlValue(std::string("0x"))},
      {"0b11", YamlValue(int64_t{3})},
      {"0b12", YamlValue(std::string("0b12"))},
      {".inf", YamlValue(HUGE_VAL)},
      {"-.inf", YamlValue(-HUGE_VAL)},
      {"2020-01-01", YamlValue(std::string("2020-01-01"))},
      {"9223372036854775807", YamlValue(int64_t{9223372036854775807})},
      {"9223372036854775808", YamlValue(9.223372036854776e+18)},
      {"-9223372036854775808", YamlValue(INT64_MIN)},
      {"4294967297", YamlValue(int64_t{4294967297})},
      {"1.9", YamlValue(1.9)},
      {"5.0", YamlValue(5.0)},
      {"10Ki", YamlValue(std::string("10Ki"))},
      {"1e400", YamlValue(std::string("1e400"))},
      {"abc", YamlValue(std::string("abc"))},
      {"<<", YamlValue(std::string("<<"))},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ResolveScalar(Plain(c.text), YamlDialect::kPython), c.value) << c.text;
  }
}

// What `kubectl annotate --local -o json` made of each word.
TEST(YamlScalar, AsKubectl) {
  const Case cases[] = {
      {"010", YamlValue(int64_t{8})},
      {"0o10", YamlValue(int64_t{8})},
      {"1e3", YamlValue(int64_t{1000})},
      {"1_000", YamlValue(int64_t{1000})},
      {"1:30", YamlValue(std::string("1:30"))},
      {"5.0", YamlValue(int64_t{5})},
      {"0x1F", YamlValue(int64_t{31})},
      {"0b11", YamlValue(int64_t{3})},
      {".5", YamlValue(0.5)},
      {"2020-01-01", YamlValue(std::string("2020-01-01"))},
      {"+5", YamlValue(int64_t{5})},
      {"1.", YamlValue(int64_t{1})},
      {"08", YamlValue(int64_t{8})},
      {"-0x10", YamlValue(int64_t{-16})},
      {"1e400", YamlValue(std::string("1e400"))},
      {"1_0.5", YamlValue(10.5)},
      {"0b12", YamlValue(std::string("0b12"))},
      {"<<", YamlValue(std::string("<<"))},
      {"_1", YamlValue(std::string("_1"))},
      {"0_1", YamlValue(int64_t{1})},
      {"0x", YamlValue(std::string("0x"))},
      {"1E3", YamlValue(int64_t{1000})},
      {"1e+3", YamlValue(int64_t{1000})},
      {"+.5", YamlValue(0.5)},
      {"00", YamlValue(int64_t{0})},
      {"-0", YamlValue(int64_t{0})},
      {"yes", YamlValue(true)},
      {"y", YamlValue(true)},
      {"on", YamlValue(true)},
      {"TRUE", YamlValue(true)},
      {"n", YamlValue(false)},
      {"null", YamlValue()},
      {"~", YamlValue()},
      {"10Ki", YamlValue(std::string("10Ki"))},
      {"yEs", YamlValue(std::string("yEs"))},
      {"1.9", YamlValue(1.9)},
      {"4294967297", YamlValue(int64_t{4294967297})},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ResolveScalar(Plain(c.text), YamlDialect::kKubectl), c.value) << c.text;
  }
}

TEST(YamlScalar, QuotesAndTagsDecide) {
  YamlNode node = Plain("5");
  node.plain = false;
  EXPECT_EQ(ResolveScalar(node, YamlDialect::kPython), YamlValue(std::string("5")));
  node.tag = "!!int";
  EXPECT_EQ(ResolveScalar(node, YamlDialect::kPython), YamlValue(int64_t{5}));
  node = Plain("true");
  node.tag = "!!str";
  EXPECT_EQ(ResolveScalar(node, YamlDialect::kKubectl), YamlValue(std::string("true")));
  EXPECT_TRUE(std::isnan(std::get<double>(ResolveScalar(Plain(".nan"), YamlDialect::kPython))));
}

TEST(YamlScalar, PythonStr) {
  const Case cases[] = {
      {"True", YamlValue(true)},
      {"False", YamlValue(false)},
      {"None", YamlValue()},
      {"5", YamlValue(int64_t{5})},
      {"-3", YamlValue(int64_t{-3})},
      {"0.1", YamlValue(0.1)},
      {"1.0", YamlValue(1.0)},
      {"1e+16", YamlValue(1e+16)},
      {"1000000000000000.0", YamlValue(1000000000000000.0)},
      {"1.2345678901234568e+17", YamlValue(1.2345678901234568e+17)},
      {"1e-05", YamlValue(1e-05)},
      {"0.0001", YamlValue(0.0001)},
      {"1.5e+300", YamlValue(1.5e+300)},
      {"-2.5", YamlValue(-2.5)},
      {"x", YamlValue(std::string("x"))},
      {"inf", YamlValue(HUGE_VAL)},
  };
  for (const Case& c : cases) EXPECT_EQ(PythonStr(c.value), c.text);
}

}  // namespace
}  // namespace pj
