#include "double_text.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace pj::slot {
namespace {

// repr() writes powers from -4 to 15 without an exponent.
constexpr int kSmallestPlain = -4;
constexpr int kLargestPlain = 15;

struct Digits {
  char text[32];  // significant digits without a point
  int count = 0;
  int power = 0;  // of ten, of the first digit
};

template <class T>
Digits ShortestDigits(T value) {
  Digits out;
  char raw[64];
  const auto end = std::to_chars(raw, raw + sizeof raw, value, std::chars_format::scientific).ptr;
  const char* at = raw;
  for (; at < end && *at != 'e'; ++at) {
    if (*at != '.') out.text[out.count++] = *at;
  }
  const bool negative = at + 1 < end && at[1] == '-';
  for (at += 2; at < end; ++at) out.power = out.power * 10 + (*at - '0');
  if (negative) out.power = -out.power;
  return out;
}

void AppendPlain(const Digits& digits, std::string* out) {
  if (digits.power < 0) {
    out->append("0.");
    out->append(static_cast<size_t>(-digits.power - 1), '0');
    out->append(digits.text, static_cast<size_t>(digits.count));
    return;
  }
  const int whole = digits.power + 1;
  if (digits.count <= whole) {
    out->append(digits.text, static_cast<size_t>(digits.count));
    out->append(static_cast<size_t>(whole - digits.count), '0');
    out->append(".0");
    return;
  }
  out->append(digits.text, static_cast<size_t>(whole));
  out->push_back('.');
  out->append(digits.text + whole, static_cast<size_t>(digits.count - whole));
}

void AppendScientific(const Digits& digits, std::string* out) {
  out->push_back(digits.text[0]);
  if (digits.count > 1) {
    out->push_back('.');
    out->append(digits.text + 1, static_cast<size_t>(digits.count - 1));
  }
  out->push_back('e');
  out->push_back(digits.power < 0 ? '-' : '+');
  const int power = std::abs(digits.power);
  if (power < 10) out->push_back('0');
  char raw[8];
  out->append(raw, std::to_chars(raw, raw + sizeof raw, power).ptr);
}

template <class T>
void Append(T value, std::string* out) {
  if (std::isnan(value)) {
    out->append("nan");
    return;
  }
  if (std::signbit(value)) out->push_back('-');
  if (std::isinf(value)) {
    out->append("inf");
    return;
  }
  const Digits digits = ShortestDigits(std::fabs(value));
  if (digits.power >= kSmallestPlain && digits.power <= kLargestPlain) {
    AppendPlain(digits, out);
  } else {
    AppendScientific(digits, out);
  }
}

}  // namespace

void AppendDouble(double value, std::string* out) { Append(value, out); }
void AppendFloat(float value, std::string* out) { Append(value, out); }

}  // namespace pj::slot
