// Encodings of delimited files: how their characters lie in bytes, and their text as UTF-8.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/record_scan.h"

namespace pj::plan {

enum class Encoding : uint8_t { kUtf8, kLatin1, kAscii, kWindows1252, kUtf16, kUtf32 };

// "utf8", "utf8bom", "iso88591", "latin1", "ascii", "utf16", "utf32", "windows1252"; case, "-" and
// "_" do not matter. Anything else is kInvalid and lists these.
Result<Encoding> ParseEncoding(std::string_view name);

// What a file's first bytes say.
struct TextStart {
  size_t bom_bytes = 0;  // byte order mark, no data
  CodeUnit unit = CodeUnit::kSingle;
};
// UTF-16 and UTF-32 without a mark are little-endian. `head`: the first four bytes, if there are as
// many.
TextStart DetectStart(Encoding encoding, std::string_view head);

// `text` as UTF-8: itself where it is UTF-8 already, else in `*scratch`. What is no character of
// the encoding becomes U+FFFD.
std::string_view ToUtf8(std::string_view text, Encoding encoding, CodeUnit unit,
                        std::string* scratch);

}  // namespace pj::plan
