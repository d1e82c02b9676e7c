// Owned references and the few calls whose names differ between CPython 3.8 and later ones.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string_view>
#include <utility>

namespace pj::slot {

// Owns one reference; empty when a call failed. The GIL must be held wherever it changes.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* owned) : object_(owned) {}
  Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Object& operator=(Object&& other) noexcept {
    PyObject* old = std::exchange(object_, std::exchange(other.object_, nullptr));
    Py_XDECREF(old);
    return *this;
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { Py_XDECREF(object_); }

  static Object Borrowed(PyObject* object) {
    Py_XINCREF(object);
    return Object(object);
  }
  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

inline Object CallWith(PyObject* callable, PyObject* first, PyObject* second = nullptr) {
#if PY_VERSION_HEX >= 0x03090000
  PyObject* arguments[] = {first, second};
  return Object(PyObject_Vectorcall(callable, arguments, second == nullptr ? 1 : 2, nullptr));
#else
  return Object(PyObject_CallFunctionObjArgs(callable, first, second, nullptr));
#endif
}

inline Object BytesOf(std::string_view bytes) {
  return Object(PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

// Valid as long as `bytes` lives; empty for anything that is no bytes object.
inline std::string_view ViewOf(PyObject* bytes) {
  if (bytes == nullptr || !PyBytes_Check(bytes)) return {};
  return {PyBytes_AS_STRING(bytes), static_cast<size_t>(PyBytes_GET_SIZE(bytes))};
}

}  // namespace pj::slot
