// What scalars mean: the implicit types of YAML 1.1 as Python's reader and as kubectl see them.
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/yaml_doc.h"

namespace pj {
namespace {

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// word, Word, WORD.
bool IsWord(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  std::string upper(lower);
  for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
  std::string title(lower);
  title[0] = upper[0];
  return text == lower || text == title || text == upper;
}

std::string WithoutUnderscores(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](char c) { return c != '_'; });
  return out;
}

double ToDouble(const std::string& text) {
  double value = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    return text.starts_with('-') ? -HUGE_VAL : HUGE_VAL;
  }
  return value;
}

// `digits` in `base`; beyond int64 a double (never a wrapped number).
YamlValue ToInteger(bool negative, std::string_view digits, int base) {
  uint64_t magnitude = 0;
  const char* last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, magnitude, base);
  const uint64_t limit = uint64_t{1} << 63;
  if (error == std::errc() && end == last) {
    if (!negative && magnitude < limit) return static_cast<int64_t>(magnitude);
    if (negative && magnitude <= limit) return static_cast<int64_t>(~magnitude + 1);
  }
  if (base == 10) return negative ? -ToDouble(std::string(digits)) : ToDouble(std::string(digits));
  double value = 0;
  for (const char c : digits) {
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    value = value * base + digit;
  }
  return negative ? -value : value;
}

struct Signed {
  bool negative = false;
  std::string_view digits;
};
Signed SplitSign(std::string_view text) {
  Signed out{text.starts_with('-'), text};
  if (text.starts_with('-') || text.starts_with('+')) out.digits.remove_prefix(1);
  return out;
}

// 1:30 = 90, 1:30:00 = 5400; the last part may have a fraction.
double Sexagesimal(std::string_view digits) {
  double value = 0;
  while (true) {
    const size_t colon = digits.find(':');
    value = value * 60 + ToDouble(std::string(digits.substr(0, colon)));
    if (colon == std::string_view::npos) return value;
    digits.remove_prefix(colon + 1);
  }
}

YamlValue PythonInteger(const std::string& plain) {
  const auto [negative, digits] = SplitSign(plain);
  if (digits.starts_with("0b")) return ToInteger(negative, digits.substr(2), 2);
  if (digits.starts_with("0x")) return ToInteger(negative, digits.substr(2), 16);
  if (digits.find(':') != std::string_view::npos) {
    const double value = Sexagesimal(digits);
    if (value >= 9e15) return negative ? -value : value;
    return static_cast<int64_t>(negative ? -value : value);
  }
  return ToInteger(negative, digits, digits.size() > 1 && digits[0] == '0' ? 8 : 10);
}

YamlValue PythonPlain(const std::string& text) {
  static const RE2 float_form(
      R"([-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)"
      R"(|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)");
  static const RE2 int_form(
      R"([-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)"
      R"(|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)");
  if (IsWord(text, "yes") || IsWord(text, "true") || IsWord(text, "on")) return true;
  if (IsWord(text, "no") || IsWord(text, "false") || IsWord(text, "off")) return false;
  if (text.empty() || text == "~" || IsWord(text, "null")) return std::monostate();
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) return std::nan("");
  const auto [negative, rest] = SplitSign(text);
  if (IsOneOf(rest, {".inf", ".Inf", ".INF"})) return negative ? -HUGE_VAL : HUGE_VAL;
  const std::string plain = WithoutUnderscores(text);
  if (RE2::FullMatch(text, float_form)) {
    if (text.find(':') == std::string::npos) return ToDouble(plain);
    const auto [minus, digits] = SplitSign(plain);
    return minus ? -Sexagesimal(digits) : Sexagesimal(digits);
  }
  // "0x_" has no digit left: Python fails there; text is the harmless reading.
  if (RE2::FullMatch(text, int_form) && !IsOneOf(SplitSign(plain).digits, {"0x", "0b"})) {
    return PythonInteger(plain);
  }
  return text;
}

// Go's strconv.ParseInt with base 0 on `plain`; false if it has another form.
bool GoInteger(const std::string& plain, YamlValue* out) {
  static const RE2 form(R"([-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*))");
  if (!RE2::FullMatch(plain, form)) return false;
  const auto [negative, digits] = SplitSign(plain);
  const char second = digits.size() > 1 ? static_cast<char>(digits[1] | 0x20) : ' ';
  if (digits[0] != '0' || digits.size() == 1)
    *out = ToInteger(negative, digits, 10);
  else if (second == 'x')
    *out = ToInteger(negative, digits.substr(2), 16);
  else if (second == 'b')
    *out = ToInteger(negative, digits.substr(2), 2);
  else
    *out = ToInteger(negative, digits.substr(second == 'o' ? 2 : 1), 8);
  return true;
}

YamlValue KubectlPlain(const std::string& text) {
  static const RE2 float_form(R"([-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)");
  if (IsWord(text, "yes") || IsWord(text, "true") || IsWord(text, "on")) return true;
  if (IsWord(text, "no") || IsWord(text, "false") || IsWord(text, "off")) return false;
  if (text == "y" || text == "Y") return true;
  if (text == "n" || text == "N") return false;
  if (text.empty() || text == "~" || IsWord(text, "null")) return std::monostate();
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) return std::nan("");
  const auto [negative, rest] = SplitSign(text);
  if (IsOneOf(rest, {".inf", ".Inf", ".INF"})) return negative ? -HUGE_VAL : HUGE_VAL;
  const char first = text[0];
  const bool numeric =
      (first >= '0' && first <= '9') || first == '+' || first == '-' || first == '.';
  if (!numeric) return text;
  const std::string plain = WithoutUnderscores(text);
  YamlValue number;
  if (GoInteger(plain, &number)) return number;
  if (!RE2::FullMatch(plain, float_form)) return text;
  const double value = ToDouble(plain);
  if (std::isinf(value)) return text;
  // JSON knows one kind of number: 1e3 and 5.0 reach the API server as 1000 and 5.
  if (value == std::floor(value) && std::fabs(value) < 9e15) return static_cast<int64_t>(value);
  return value;
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char raw[64];
  const auto end = std::to_chars(raw, raw + sizeof raw, value, std::chars_format::scientific).ptr;
  const std::string_view text(raw, static_cast<size_t>(end - raw));
  const size_t e = text.find('e');
  const int exponent = std::stoi(std::string(text.substr(e + 1)));
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto last = std::to_chars(raw, raw + sizeof raw, value, std::chars_format::fixed).ptr;
  std::string fixed(raw, last);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

}  // namespace

YamlValue ResolveScalar(const YamlNode& node, YamlDialect dialect) {
  if (node.kind == YamlNode::Kind::kNull) return std::monostate();
  if (node.tag == "!!str" || !node.plain) {
    if (node.tag.empty() || node.tag == "!!str" || node.tag == "!") return node.scalar;
  }
  YamlValue value =
      dialect == YamlDialect::kPython ? PythonPlain(node.scalar) : KubectlPlain(node.scalar);
  if (node.tag == "!!float") {
    if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  }
  return value;
}

std::string DescribeNode(const YamlNode& node, YamlDialect dialect) {
  if (node.kind == YamlNode::Kind::kSequence) return "a list";
  if (node.kind == YamlNode::Kind::kMapping) return "a mapping";
  const YamlValue value = ResolveScalar(node, dialect);
  if (std::holds_alternative<std::monostate>(value)) return "nothing";
  if (std::holds_alternative<bool>(value)) return "a boolean";
  if (std::holds_alternative<std::string>(value)) return "text";
  return "a number";
}

std::string PythonStr(const YamlValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "True" : "False";
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&value)) return FloatRepr(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "None";
}

}  // namespace pj
