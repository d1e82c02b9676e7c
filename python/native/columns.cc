#include "columns.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "double_text.h"
#include "text_rows.h"

namespace pj::slot {
namespace {

enum class Kind {
  kObject,
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat,
  kDouble,
  kUnknown
};

Kind SignedKind(Py_ssize_t bytes) {
  switch (bytes) {
    case 1:
      return Kind::kInt8;
    case 2:
      return Kind::kInt16;
    case 4:
      return Kind::kInt32;
    case 8:
      return Kind::kInt64;
    default:
      return Kind::kUnknown;
  }
}

Kind UnsignedKind(Py_ssize_t bytes) {
  switch (bytes) {
    case 1:
      return Kind::kUint8;
    case 2:
      return Kind::kUint16;
    case 4:
      return Kind::kUint32;
    case 8:
      return Kind::kUint64;
    default:
      return Kind::kUnknown;
  }
}

// A buffer's format (struct module's letters) and item size → what its bytes are.
Kind KindOf(const char* format, Py_ssize_t bytes) {
  if (format == nullptr || std::strlen(format) != 1) return Kind::kUnknown;
  if (format[0] == '?') return Kind::kBool;
  if (format[0] == 'f') return Kind::kFloat;
  if (format[0] == 'd') return Kind::kDouble;
  if (std::strchr("bhilqn", format[0]) != nullptr) return SignedKind(bytes);
  if (std::strchr("BHILQN", format[0]) != nullptr) return UnsignedKind(bytes);
  return Kind::kUnknown;
}

// One column: strided memory, or Python objects. Owns its view of the buffer.
class Column {
 public:
  Column() = default;
  ~Column() {
    if (has_view_) PyBuffer_Release(&view_);
  }
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;

  // False: not something that we write.
  bool Open(PyObject* source, size_t rows) {
    if (PyList_CheckExact(source)) {
      objects_ = source;
      kind_ = Kind::kObject;
      return static_cast<size_t>(PyList_GET_SIZE(source)) == rows;
    }
    if (PyObject_GetBuffer(source, &view_, PyBUF_RECORDS_RO) != 0) {
      PyErr_Clear();
      return false;
    }
    has_view_ = true;
    if (view_.ndim != 1 || static_cast<size_t>(view_.shape[0]) != rows) return false;
    kind_ = KindOf(view_.format, view_.itemsize);
    return kind_ != Kind::kUnknown;
  }
  Kind kind() const { return kind_; }
  PyObject* object(size_t row) const {
    return PyList_GET_ITEM(objects_, static_cast<Py_ssize_t>(row));
  }
  bool Covers(size_t row) const {
    return kind_ != Kind::kObject || static_cast<Py_ssize_t>(row) < PyList_GET_SIZE(objects_);
  }
  template <class T>
  T value(size_t row) const {
    T out;
    std::memcpy(
        &out, static_cast<const char*>(view_.buf) + static_cast<Py_ssize_t>(row) * view_.strides[0],
        sizeof out);
    return out;
  }

 private:
  PyObject* objects_ = nullptr;  // borrowed from the caller's list
  Py_buffer view_{};
  bool has_view_ = false;
  Kind kind_ = Kind::kUnknown;
};

template <class T>
void AppendInteger(T value, std::string* out) {
  char raw[24];
  out->append(raw, std::to_chars(raw, raw + sizeof raw, value).ptr);
}

// Which bytes make csv.writer quote a field.
class Quoting {
 public:
  explicit Quoting(const LineStyle& style) {
    for (const char c : {style.separator, '"', '\n'}) special_[static_cast<uint8_t>(c)] = true;
    if (style.quote_return) special_[static_cast<uint8_t>('\r')] = true;
  }
  // Quotes what was appended since `begin`, if it has to be.
  void Apply(size_t begin, std::string* out) const {
    size_t quotes = 0;
    bool needed = false;
    for (size_t i = begin; i < out->size(); ++i) {
      const uint8_t byte = static_cast<uint8_t>((*out)[i]);
      needed |= special_[byte];
      quotes += byte == '"';
    }
    if (!needed) return;
    const std::string field = out->substr(begin);
    out->resize(begin);
    out->reserve(begin + field.size() + quotes + 2);
    out->push_back('"');
    for (const char c : field) {
      if (c == '"') out->push_back('"');
      out->push_back(c);
    }
    out->push_back('"');
  }

 private:
  bool special_[256] = {};
};

Lines AppendObject(PyObject* object, const Quoting& quoting, std::string* out) {
  if (object == Py_None) return Lines::kDone;
  const size_t begin = out->size();
  if (PyUnicode_CheckExact(object)) {
    if (!AppendUtf8(object, out)) return Lines::kError;
    quoting.Apply(begin, out);
    return Lines::kDone;
  }
  if (PyFloat_CheckExact(object)) {
    const double value = PyFloat_AS_DOUBLE(object);
    if (!std::isnan(value)) AppendDouble(value, out);
    return Lines::kDone;
  }
  if (PyBool_Check(object)) {
    out->append(object == Py_True ? "True" : "False");
    return Lines::kDone;
  }
  if (PyLong_CheckExact(object)) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0) return Lines::kUnknown;
    AppendInteger(value, out);
    return Lines::kDone;
  }
  return Lines::kUnknown;
}

template <class T>
void AppendReal(T value, std::string* out) {
  if (std::isnan(value)) return;  // a missing value is an empty field
  if constexpr (sizeof(T) == sizeof(double)) {
    AppendDouble(value, out);
  } else {
    AppendFloat(value, out);
  }
}

Lines AppendCell(const Column& column, size_t row, const Quoting& quoting, std::string* out) {
  switch (column.kind()) {
    case Kind::kObject:
      return AppendObject(column.object(row), quoting, out);
    case Kind::kBool:
      out->append(column.value<uint8_t>(row) ? "True" : "False");
      break;
    case Kind::kInt8:
      AppendInteger<int>(column.value<int8_t>(row), out);
      break;
    case Kind::kInt16:
      AppendInteger(column.value<int16_t>(row), out);
      break;
    case Kind::kInt32:
      AppendInteger(column.value<int32_t>(row), out);
      break;
    case Kind::kInt64:
      AppendInteger(column.value<int64_t>(row), out);
      break;
    case Kind::kUint8:
      AppendInteger<unsigned>(column.value<uint8_t>(row), out);
      break;
    case Kind::kUint16:
      AppendInteger(column.value<uint16_t>(row), out);
      break;
    case Kind::kUint32:
      AppendInteger(column.value<uint32_t>(row), out);
      break;
    case Kind::kUint64:
      AppendInteger(column.value<uint64_t>(row), out);
      break;
    case Kind::kFloat:
      AppendReal(column.value<float>(row), out);
      break;
    case Kind::kDouble:
      AppendReal(column.value<double>(row), out);
      break;
    case Kind::kUnknown:
      return Lines::kUnknown;
  }
  return Lines::kDone;
}

Lines AppendLine(const std::vector<std::unique_ptr<Column>>& columns, size_t row, char separator,
                 const Quoting& quoting, std::string* out) {
  const size_t begin = out->size();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out->push_back(separator);
    if (!columns[i]->Covers(row)) return Lines::kUnknown;
    if (const Lines made = AppendCell(*columns[i], row, quoting, out); made != Lines::kDone) {
      return made;
    }
  }
  // A line of one empty field would be no record at all: csv.writer quotes it.
  if (columns.size() == 1 && out->size() == begin) out->append("\"\"");
  out->push_back('\n');
  return Lines::kDone;
}

}  // namespace

Lines AppendLines(PyObject* columns, size_t rows, const LineStyle& style, std::string* out) {
  const size_t begin = out->size();
  std::vector<std::unique_ptr<Column>> opened;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(columns); ++i) {
    opened.push_back(std::make_unique<Column>());
    if (!opened.back()->Open(PyList_GET_ITEM(columns, i), rows)) return Lines::kUnknown;
  }
  if (opened.empty()) return Lines::kUnknown;
  const Quoting quoting(style);
  for (size_t row = 0; row < rows; ++row) {
    Lines made = AppendLine(opened, row, style.separator, quoting, out);
    if (made == Lines::kDone && out->size() - begin > limits::kRowsBytes) {
      PyErr_SetString(PyExc_ValueError, "run() returned more bytes of rows than a mini-batch may");
      made = Lines::kError;
    }
    if (made != Lines::kDone) {
      out->resize(begin);
      return made;
    }
  }
  return Lines::kDone;
}

}  // namespace pj::slot
