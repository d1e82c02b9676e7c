#include "payload.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <string>

#include "base/byte_io.h"

namespace pj::slot {
namespace {

constexpr uint8_t kFiles = 1;
constexpr uint8_t kTable = 2;
constexpr uint64_t kNanosPerSecond = 1'000'000'000;

uint64_t MtimeNanos(const struct statx& file) {
  return static_cast<uint64_t>(file.stx_mtime.tv_sec) * kNanosPerSecond + file.stx_mtime.tv_nsec;
}

// statx, as stat() has a newer symbol version than the oldest glibc that we support.
bool IsAsPlanned(std::string_view path, uint64_t size, int64_t mtime_ns) {
  std::array<char, 512> small;
  std::string large;
  const char* name = small.data();
  if (path.size() < small.size()) {
    std::memcpy(small.data(), path.data(), path.size());
    small[path.size()] = '\0';
  } else {
    large = path;
    name = large.c_str();
  }
  struct statx found;
  if (statx(AT_FDCWD, name, AT_STATX_SYNC_AS_STAT, STATX_SIZE | STATX_MTIME, &found) != 0) {
    return false;
  }
  const bool same_time = mtime_ns == 0 || MtimeNanos(found) == static_cast<uint64_t>(mtime_ns);
  return found.stx_size == size && same_time;
}

bool IsAscii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

PyObject* MakePath(std::string_view path) {
  const Py_ssize_t length = static_cast<Py_ssize_t>(path.size());
  if (!IsAscii(path)) return PyUnicode_DecodeFSDefaultAndSize(path.data(), length);
  PyObject* text = PyUnicode_New(length, 127);
  if (text != nullptr) std::memcpy(PyUnicode_DATA(text), path.data(), path.size());
  return text;
}

void SkipKeys(ByteReader* in) {
  for (uint64_t keys = in->Varint(); keys > 0 && in->ok(); --keys) {
    in->Bytes();
    in->Bytes();
  }
}

}  // namespace

uint64_t PayloadView::Items() const {
  ByteReader in(bytes_);
  const uint8_t kind = in.U8();
  SkipKeys(&in);
  const uint64_t count = in.Varint();
  if (kind == kFiles) return in.ok() ? count : 0;
  uint64_t records = 0;
  for (uint64_t i = 0; kind == kTable && i < count && in.ok(); ++i) {
    in.Bytes();
    in.Varint();
    in.U64();
    in.Varint();
    in.Varint();
    records += in.Varint();
    in.Varint();
  }
  return in.ok() ? records : 0;
}

Object PayloadView::FileList() const {
  ByteReader in(bytes_);
  if (in.U8() != kFiles) return {};
  SkipKeys(&in);
  const uint64_t count = in.Varint();
  // Each file takes at least ten bytes: a damaged count cannot make a giant list.
  if (!in.ok() || count > bytes_.size() / 10) return {};
  Object list(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list) return {};
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view path = in.Bytes();
    const uint64_t size = in.Varint();
    const int64_t mtime_ns = static_cast<int64_t>(in.U64());
    if (!in.ok() || !IsAsPlanned(path, size, mtime_ns)) return {};
    PyObject* text = MakePath(path);
    if (text == nullptr) return {};
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), text);
  }
  return in.AtEnd() ? std::move(list) : Object();
}

}  // namespace pj::slot
