// A DataFrame's columns → lines, byte for byte as pandas' to_csv(header=False, index=False) writes
// them.
#pragma once

#include <cstddef>
#include <string>

#include "object.h"

namespace pj::slot {

struct LineStyle {
  char separator = ',';
  bool quote_return = false;  // this Python's csv.writer quotes fields with "\r", too
};

enum class Lines { kDone, kUnknown, kError };

// `columns`: a list; each either an array with the buffer protocol (bool, integers, float32,
// float64) or a list of objects. kUnknown: a dtype or object that only pandas can write; kError: an
// exception is set. `out` is then as it was.
Lines AppendLines(PyObject* columns, size_t rows, const LineStyle& style, std::string* out);

}  // namespace pj::slot
