#include "plan/encoding.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace pj::plan {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

// Windows-1252 differs from Latin-1 in 0x80…0x9F only; five places are empty.
constexpr std::array<char16_t, 32> kWindows1252High = {
    0x20AC, 0xFFFD, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0xFFFD, 0x017D, 0xFFFD, 0xFFFD, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0xFFFD, 0x017E, 0x0178};

void Put(char32_t c, std::string* out) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = kReplacement;
  const auto byte = [out](char32_t v) { out->push_back(static_cast<char>(v)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

char32_t FromByte(uint8_t byte, Encoding encoding) {
  if (byte < 0x80) return byte;
  if (encoding == Encoding::kLatin1) return byte;
  if (encoding == Encoding::kWindows1252) return byte < 0xA0 ? kWindows1252High[byte - 0x80] : byte;
  return kReplacement;
}

bool IsBigEndian(CodeUnit unit) { return unit == CodeUnit::kUtf16Be || unit == CodeUnit::kUtf32Be; }

void DecodeUnits(std::string_view text, CodeUnit unit, std::string* out) {
  const size_t bytes = UnitBytes(unit);
  char32_t high = 0;  // first half of a surrogate pair
  for (size_t i = 0; i + bytes <= text.size(); i += bytes) {
    char32_t c = 0;
    for (size_t k = 0; k < bytes; ++k) {
      const size_t shift = 8 * (IsBigEndian(unit) ? bytes - 1 - k : k);
      c |= static_cast<char32_t>(static_cast<uint8_t>(text[i + k])) << shift;
    }
    if (bytes == 2 && c >= 0xDC00 && c <= 0xDFFF && high != 0) {
      Put(0x10000 + ((high - 0xD800) << 10) + (c - 0xDC00), out);
      high = 0;
      continue;
    }
    if (high != 0) Put(kReplacement, out);
    high = bytes == 2 && c >= 0xD800 && c <= 0xDBFF ? c : 0;
    if (high == 0) Put(c, out);
  }
  if (high != 0) Put(kReplacement, out);
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t size = DecodeUtf8(text, i).size;
    if (size == 0) return false;
    i += size;
  }
  return true;
}

void RepairUtf8(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size();) {
    const CodePoint point = DecodeUtf8(text, i);
    Put(point.size == 0 ? kReplacement : point.value, out);
    i += std::max<size_t>(point.size, 1);
  }
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

}  // namespace

Result<Encoding> ParseEncoding(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c == '-' || c == '_' || c == ' ') continue;
    plain.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  if (plain == "utf8" || plain == "utf8bom" || plain.empty()) return Encoding::kUtf8;
  if (plain == "iso88591" || plain == "latin1") return Encoding::kLatin1;
  if (plain == "ascii") return Encoding::kAscii;
  if (plain == "windows1252") return Encoding::kWindows1252;
  if (plain == "utf16") return Encoding::kUtf16;
  if (plain == "utf32") return Encoding::kUtf32;
  return Fail(Code::kInvalid, fmt::format("unknown encoding \"{}\"", name),
              "read_delimited.encoding",
              "use utf8, utf8bom, iso88591, latin1, ascii, utf16, utf32 or windows1252");
}

TextStart DetectStart(Encoding encoding, std::string_view head) {
  using namespace std::string_view_literals;
  switch (encoding) {
    case Encoding::kUtf8:
      return {head.starts_with("\xEF\xBB\xBF"sv) ? size_t{3} : 0, CodeUnit::kSingle};
    case Encoding::kUtf16:
      if (head.starts_with("\xFE\xFF"sv)) return {2, CodeUnit::kUtf16Be};
      return {head.starts_with("\xFF\xFE"sv) ? size_t{2} : 0, CodeUnit::kUtf16Le};
    case Encoding::kUtf32:
      if (head.starts_with("\0\0\xFE\xFF"sv)) return {4, CodeUnit::kUtf32Be};
      return {head.starts_with("\xFF\xFE\0\0"sv) ? size_t{4} : 0, CodeUnit::kUtf32Le};
    case Encoding::kLatin1:
    case Encoding::kAscii:
    case Encoding::kWindows1252:
      return {};
  }
  return {};
}

std::string_view ToUtf8(std::string_view text, Encoding encoding, CodeUnit unit,
                        std::string* scratch) {
  if (unit == CodeUnit::kSingle) {
    if (IsAscii(text) || (encoding == Encoding::kUtf8 && IsUtf8(text))) return text;
  }
  scratch->clear();
  if (unit != CodeUnit::kSingle) {
    DecodeUnits(text, unit, scratch);
  } else if (encoding == Encoding::kUtf8) {
    RepairUtf8(text, scratch);
  } else {
    for (const char c : text) Put(FromByte(static_cast<uint8_t>(c), encoding), scratch);
  }
  return *scratch;
}

}  // namespace pj::plan
