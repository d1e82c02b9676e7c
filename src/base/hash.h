// Checksums and digests: CRC32C for torn writes, SHA-256 for identity, base64 for binary in JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pj {

// CRC-32C (Castagnoli, RFC 3720). Crc32c(b, Crc32c(a)) == Crc32c(a + b).
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

// Lower-case hexadecimal SHA-256 of `bytes` (64 digits).
std::string Sha256Hex(std::string_view bytes);

// A digest of parts given one after the other. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(std::string_view bytes);
  std::string HexDigest();  // call once, last

 private:
  void* context_;
};

// Standard base64 with padding (RFC 4648). Decoding refuses anything else: kCorrupt.
std::string Base64Encode(std::string_view bytes);
Result<std::string> Base64Decode(std::string_view text);

}  // namespace pj
