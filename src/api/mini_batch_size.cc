#include "api/mini_batch_size.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace pj::api {
namespace {

struct UnitName {
  std::string_view name;
  MiniBatchSize::Unit unit;
  uint64_t factor;
  size_t digits = 18;  // that a number may have; the API server's schema says the same
};
constexpr UnitName kUnits[] = {
    {"", MiniBatchSize::Unit::kFiles, 1},
    {"gb", MiniBatchSize::Unit::kBytes, 1ULL << 30, 9},
    {"mb", MiniBatchSize::Unit::kBytes, 1ULL << 20, 12},
    {"kb", MiniBatchSize::Unit::kBytes, 1ULL << 10, 15},
    {"b", MiniBatchSize::Unit::kBytes, 1},
    {"rows", MiniBatchSize::Unit::kRows, 1},
};

}  // namespace

Result<MiniBatchSize> ParseMiniBatchSize(std::string_view text) {
  uint64_t number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  std::string unit(end, last);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const auto known = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](const UnitName& u) { return u.name == unit; });
  constexpr std::string_view kForms =
      "write a number of files (5), bytes of a table (100b, 10kb, 1mb, 1gb) or rows (500rows)";
  if (error == std::errc::invalid_argument || known == std::end(kUnits)) {
    return Fail(pj::Code::kInvalid, "is not a mini-batch size", {}, std::string(kForms));
  }
  const std::string_view digits(text.data(), end);
  const size_t leading = std::min(digits.find_first_not_of('0'), digits.size());
  if (digits.size() - leading > known->digits) {
    return Fail(pj::Code::kInvalid,
                fmt::format("is out of range, at most {} digits{}{}", known->digits,
                            unit.empty() ? "" : " before ", unit));
  }
  if (number == 0) return Fail(pj::Code::kInvalid, "must be 1 or more", {}, std::string(kForms));
  return MiniBatchSize{known->unit, number * known->factor};
}

std::string ToText(const MiniBatchSize& size) {
  for (const UnitName& unit : kUnits) {
    if (unit.unit == size.unit && size.count % unit.factor == 0) {
      return fmt::format("{}{}", size.count / unit.factor, unit.name);
    }
  }
  return std::to_string(size.count);
}

}  // namespace pj::api
