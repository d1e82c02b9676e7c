#include "report/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/utf8.h"

namespace pj::report {
namespace {

bool Plain(char c) { return c >= 0x20 && c < 0x7f; }

// Characters that a reader does not see, and those that reorder what they see.
bool Invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200e && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void AppendInvisible(char32_t c, Lines lines, std::string* out) {
  if (lines == Lines::kKeep && (c == '\n' || c == '\t')) {
    out->push_back(static_cast<char>(c));
  } else if (c == '\n') {
    out->append("\\n");
  } else if (c == '\t') {
    out->append("\\t");
  } else if (c == '\r') {
    out->append("\\r");
  } else if (c <= 0xff) {
    out->append(fmt::format("\\x{:02x}", static_cast<unsigned>(c)));
  } else {
    out->append(fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
  }
}

// Characters that mean nothing to anyone, wherever they stand in a field.
constexpr std::array<bool, 256> OrdinaryInCsv() {
  std::array<bool, 256> ordinary{};
  for (char c = '0'; c <= '9'; ++c) ordinary[static_cast<uint8_t>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) ordinary[static_cast<uint8_t>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) ordinary[static_cast<uint8_t>(c)] = true;
  for (const char c : {'.', '/', '_', ':', '(', ')'}) ordinary[static_cast<uint8_t>(c)] = true;
  return ordinary;
}

// A surrogate that someone encoded in three bytes, as Python's "surrogatepass" does; else 0.
unsigned EncodedSurrogate(std::string_view text, size_t pos) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (pos + 3 > text.size() || byte(pos) != 0xed || (byte(pos + 1) & 0xe0) != 0xa0 ||
      (byte(pos + 2) & 0xc0) != 0x80) {
    return 0;
  }
  return 0xd000U | (byte(pos + 1) & 0x3fU) << 6 | (byte(pos + 2) & 0x3fU);
}

// What is no UTF-8 at `pos`; returns its length.
size_t AppendBroken(std::string_view text, size_t pos, std::string* out) {
  if (const unsigned surrogate = EncodedSurrogate(text, pos); surrogate != 0) {
    out->append(fmt::format("\\u{:04x}", surrogate));
    return 3;
  }
  out->append(fmt::format("\\udc{:02x}", static_cast<uint8_t>(text[pos])));
  return 1;
}

}  // namespace

void AppendEscaped(std::string_view text, Lines lines, std::string* out) {
  for (size_t pos = 0; pos < text.size();) {
    size_t end = pos;
    while (end < text.size() && Plain(text[end])) ++end;
    out->append(text.substr(pos, end - pos));
    pos = end;
    if (pos == text.size()) return;
    const CodePoint point = DecodeUtf8(text, pos);
    if (point.size == 0) {
      pos += AppendBroken(text, pos, out);
      continue;
    }
    if (Invisible(point.value)) {
      AppendInvisible(point.value, lines, out);
    } else {
      out->append(text.substr(pos, point.size));
    }
    pos += point.size;
  }
}

std::string Escaped(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  AppendEscaped(text, lines, &out);
  return out;
}

void AppendCsvText(std::string_view text, std::string* out) {
  static constexpr auto kOrdinary = OrdinaryInCsv();
  const auto ordinary = [](char c) { return kOrdinary[static_cast<uint8_t>(c)]; };
  if (std::all_of(text.begin(), text.end(), ordinary)) {  // nearly always
    out->append(text);
    return;
  }
  const size_t begin = out->size();
  const bool formula = !text.empty() && std::string_view("=+-@\t\r").contains(text.front());
  if (formula) out->push_back('\'');
  AppendEscaped(text, Lines::kEscape, out);
  const std::string_view field = std::string_view(*out).substr(begin);
  if (field.find_first_of(",\"") == std::string_view::npos && !field.starts_with(' ') &&
      !field.ends_with(' ')) {
    return;
  }
  std::string quoted = "\"";
  for (const char c : field) quoted.append(c == '"' ? 2 : 1, c);
  quoted.push_back('"');
  out->replace(begin, std::string::npos, quoted);
}

void AppendNumber(uint64_t number, std::string* out) {
  char digits[20];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void AppendSeconds(int64_t nanos, std::string* out) {
  const auto micros = static_cast<uint64_t>(std::max<int64_t>(nanos, 0)) / 1000;
  char text[32];
  char* end = std::to_chars(text, text + sizeof text, micros / 1'000'000).ptr;
  *end = '.';
  WriteSixDigits(static_cast<uint32_t>(micros % 1'000'000), end + 1);
  out->append(text, end + 7);
}

void WriteSixDigits(uint32_t number, char* to) {
  for (char* digit = to + 6; digit != to; number /= 10) {
    *--digit = static_cast<char>('0' + number % 10);
  }
}

std::string ProcessName(uint32_t process) { return fmt::format("process{:03}", process); }

std::string SafeFileName(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    if (!safe) c = '_';
  }
  if (out.empty() || out.front() == '.') out.insert(0, "_");
  return out;
}

}  // namespace pj::report
