#include "worker/deflate.h"

#include <fmt/core.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>

namespace pj::worker {

Result<std::string> Deflate(std::string_view bytes) {
  const auto length = static_cast<uint64_t>(bytes.size());
  uLongf size = ::compressBound(bytes.size());
  std::string out(sizeof length + size, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  const int code =
      ::compress2(reinterpret_cast<Bytef*>(out.data()) + sizeof length, &size,
                  reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), Z_BEST_COMPRESSION);
  if (code != Z_OK) return Fail(Code::kInternal, fmt::format("zlib failed with {}", code));
  out.resize(sizeof length + size);
  return out;
}

Result<std::string> Inflate(std::string_view deflated, size_t most) {
  uint64_t length = 0;
  if (deflated.size() < sizeof length) return Fail(Code::kCorrupt, "deflated bytes are cut off");
  std::memcpy(&length, deflated.data(), sizeof length);
  if (length > most) {
    return Fail(Code::kTooLarge, fmt::format("{} bytes deflated, {} may be", length, most));
  }
  std::string out(length, '\0');
  uLongf size = length;
  const int code = ::uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                                reinterpret_cast<const Bytef*>(deflated.data()) + sizeof length,
                                deflated.size() - sizeof length);
  if (code != Z_OK || size != length) {
    return Fail(Code::kCorrupt, fmt::format("deflated bytes are damaged (zlib: {})", code));
  }
  return out;
}

}  // namespace pj::worker
