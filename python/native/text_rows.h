// Rows of format `text` from a list or tuple: str(item) and a newline for each.
#pragma once

#include <cstddef>
#include <string>

#include "object.h"

namespace pj::slot {

struct TextRows {
  size_t rows = 0;
  bool has_newline = false;  // some row holds a newline of its own
};

// Appends to `out`; false with a Python exception set when str() of an item fails, or when the rows
// grow beyond limits::kRowsBytes. `items` is a list or tuple.
bool AppendTextRows(PyObject* items, std::string* out, TextRows* made);

// UTF-8 of a str, lone surrogates as \udc80; false with an exception set.
bool AppendUtf8(PyObject* text, std::string* out);

}  // namespace pj::slot
