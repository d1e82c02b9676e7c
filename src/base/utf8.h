// UTF-8: checked decoding, for parsers and for positions counted in code points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pj {

struct CodePoint {
  char32_t value = 0;
  size_t size = 0;  // bytes; 0 = not valid UTF-8 here
};

// The code point at `pos` (< text.size()). Overlong forms, surrogates and values beyond U+10FFFF
// are not valid.
inline CodePoint DecodeUtf8(std::string_view text, size_t pos) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(pos);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || pos + size > text.size()) return {};
  char32_t value = first & (0xFF >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(pos + i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(pos + i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[size] || value > 0x10FFFF) return {};
  if (value >= 0xD800 && value <= 0xDFFF) return {};
  return {value, size};
}

// How many code points begin in `text` (which is valid UTF-8).
inline size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace pj
