// Text of other people made safe for reports: control characters, broken UTF-8, CSV and its
// formulas.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pj::report {

enum class Lines { kEscape, kKeep };  // whether "\n" and "\t" stay as they are

// Appends `text` with control characters (also C1 and those that turn the direction of reading) as
// \n \t \r \x1b \u202e, lone surrogates as \udc80, other bytes that are no UTF-8 likewise as
// \udc<byte>.
void AppendEscaped(std::string_view text, Lines lines, std::string* out);
std::string Escaped(std::string_view text, Lines lines = Lines::kEscape);

// Appends one field (RFC 4180), escaped. A text that a spreadsheet would take for a formula (= + -
// @ first) gets an apostrophe before it.
void AppendCsvText(std::string_view text, std::string* out);

// Appends nanoseconds as seconds with six decimals: "0.012345".
void AppendSeconds(int64_t nanos, std::string* out);
void AppendNumber(uint64_t number, std::string* out);
// Six digits, with leading zeros.
void WriteSixDigits(uint32_t number, char* to);

// "process007"
std::string ProcessName(uint32_t process);

// A name as one path component: what is no letter, digit, '-', '_' or '.' becomes '_'.
std::string SafeFileName(std::string_view name);

}  // namespace pj::report
