#include "text_rows.h"

#include <cstring>

#include "base/limits.h"

namespace pj::slot {
namespace {

bool AppendItem(PyObject* item, std::string* out) {
  if (PyUnicode_CheckExact(item)) return AppendUtf8(item, out);
  const Object text(PyObject_Str(item));
  return text && AppendUtf8(text.get(), out);
}

}  // namespace

bool AppendUtf8(PyObject* text, std::string* out) {
  if (PyUnicode_IS_COMPACT_ASCII(text)) {
    out->append(static_cast<const char*>(PyUnicode_DATA(text)),
                static_cast<size_t>(PyUnicode_GET_LENGTH(text)));
    return true;
  }
  Object bytes(PyUnicode_AsUTF8String(text));
  if (!bytes) {
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return false;
    PyErr_Clear();
    bytes = Object(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
    if (!bytes) return false;
  }
  out->append(ViewOf(bytes.get()));
  return true;
}

bool AppendTextRows(PyObject* items, std::string* out, TextRows* made) {
  const size_t begin = out->size();
  // The size is asked again each time: str() of an item may change the list.
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); ++i) {
    const Object item = Object::Borrowed(PySequence_Fast_GET_ITEM(items, i));
    const size_t row = out->size();
    if (!AppendItem(item.get(), out)) return false;
    if (std::memchr(out->data() + row, '\n', out->size() - row) != nullptr) {
      made->has_newline = true;
    }
    out->push_back('\n');
    ++made->rows;
    if (out->size() - begin > limits::kRowsBytes) {
      PyErr_Format(PyExc_ValueError,
                   "run() returned more than %llu bytes of rows, the limit of one mini-batch",
                   static_cast<unsigned long long>(limits::kRowsBytes));
      return false;
    }
  }
  return true;
}

}  // namespace pj::slot
