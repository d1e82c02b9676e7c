// Infer: column types from the first rows of a table, once for the whole job.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace pj::plan {

inline constexpr uint64_t kInferRows = 200;  // as the reference says

// Collects values of one column. Not thread-safe.
class TypeGuess {
 public:
  // `null`: the field is empty and empty fields are missing values.
  void Add(std::string_view value, bool null);
  // The narrowest type that holds all values. Integers with missing values are floats; a column
  // without any value is text.
  ColumnType Type() const;

 private:
  bool values_ = false;
  bool nulls_ = false;
  bool integer_ = true;
  bool number_ = true;
  bool boolean_ = true;
  bool datetime_ = true;
};

// 64-bit integers with an optional sign.
bool LooksLikeInteger(std::string_view text);
// Decimal numbers with optional exponent, inf, infinity and nan.
bool LooksLikeFloat(std::string_view text);
// true and false in any case.
bool LooksLikeBoolean(std::string_view text);
// yyyy-mm-dd or yyyy/mm/dd, optionally "T" or a blank and hh:mm[:ss[.fraction]], optionally Z or
// ±hh[:]mm.
bool LooksLikeDatetime(std::string_view text);

// Header names as columns: empty ones become "Column<n>", repeated ones get ".1", ".2" ….
std::vector<std::string> ColumnNames(std::vector<std::string> names);

}  // namespace pj::plan
