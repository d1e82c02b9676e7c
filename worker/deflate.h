// Deflate: small texts made smaller for objects of the API (plans).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pj::worker {

// zlib's format, with the length of `bytes` before it (u64, little-endian).
Result<std::string> Deflate(std::string_view bytes);
// kCorrupt unless it gives exactly what was deflated; kTooLarge over `most` bytes.
Result<std::string> Inflate(std::string_view deflated, size_t most);

}  // namespace pj::worker
