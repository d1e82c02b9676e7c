#include "plan/infer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace pj::plan {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Reads fixed-width numbers and separators from the front of a text.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : rest_(text) {}

  bool Number(size_t digits, int low, int high) {
    if (rest_.size() < digits) return false;
    int value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!IsDigit(rest_[i])) return false;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value >= low && value <= high;
  }
  bool Take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Digits() {
    const size_t before = rest_.size();
    while (!rest_.empty() && IsDigit(rest_[0])) rest_.remove_prefix(1);
    return rest_.size() < before;
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool TakeZone(Pieces* in) {
  if (in->Take('Z') || in->AtEnd()) return true;
  if (!in->Take('+') && !in->Take('-')) return false;
  if (!in->Number(2, 0, 23)) return false;
  in->Take(':');
  return in->Number(2, 0, 59);
}

}  // namespace

bool LooksLikeInteger(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  if (text.empty() || !IsDigit(text.back())) return false;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool LooksLikeFloat(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  if (text.empty()) return false;
  const std::string lower = Lower(text);
  if (lower == "inf" || lower == "infinity" || lower == "nan") return true;
  Pieces in(lower);
  const bool whole = in.Digits();
  const bool dot = in.Take('.');
  const bool fraction = dot && in.Digits();
  if (!whole && !fraction) return false;
  const bool exponent = in.Take('e');
  if (exponent) {
    if (!in.Take('+')) in.Take('-');
    if (!in.Digits()) return false;
  }
  // Digits alone are an integer, or an identifier too long for one: a float would round it.
  return in.AtEnd() && (dot || exponent || LooksLikeInteger(text));
}

bool LooksLikeBoolean(std::string_view text) {
  if (text.size() > 5) return false;
  const std::string lower = Lower(text);
  return lower == "true" || lower == "false";
}

bool LooksLikeDatetime(std::string_view text) {
  Pieces in(text);
  if (!in.Number(4, 1, 9999)) return false;
  const char separator = in.Take('-') ? '-' : '/';
  if (separator == '/' && !in.Take('/')) return false;
  if (!in.Number(2, 1, 12) || !in.Take(separator) || !in.Number(2, 1, 31)) return false;
  if (in.AtEnd()) return true;
  if (!in.Take('T') && !in.Take(' ')) return false;
  if (!in.Number(2, 0, 23) || !in.Take(':') || !in.Number(2, 0, 59)) return false;
  if (in.Take(':')) {
    if (!in.Number(2, 0, 60)) return false;
    if (in.Take('.') && !in.Digits()) return false;
  }
  return TakeZone(&in) && in.AtEnd();
}

void TypeGuess::Add(std::string_view value, bool null) {
  if (null) {
    nulls_ = true;
    return;
  }
  values_ = true;
  integer_ = integer_ && LooksLikeInteger(value);
  number_ = number_ && LooksLikeFloat(value);
  boolean_ = boolean_ && LooksLikeBoolean(value);
  datetime_ = datetime_ && LooksLikeDatetime(value);
}

ColumnType TypeGuess::Type() const {
  if (!values_) return ColumnType::kString;
  if (integer_) return nulls_ ? ColumnType::kFloat : ColumnType::kInteger;
  if (number_) return ColumnType::kFloat;
  if (boolean_) return ColumnType::kBoolean;
  if (datetime_) return ColumnType::kDatetime;
  return ColumnType::kString;
}

std::vector<std::string> ColumnNames(std::vector<std::string> names) {
  std::set<std::string> taken(names.begin(), names.end());
  std::set<std::string> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) names[i] = "Column" + std::to_string(i + 1);
    if (seen.insert(names[i]).second) continue;
    const std::string base = names[i];
    for (int n = 1; taken.contains(names[i]) || seen.contains(names[i]); ++n) {
      names[i] = base + "." + std::to_string(n);
    }
    seen.insert(names[i]);
  }
  return names;
}

}  // namespace pj::plan
