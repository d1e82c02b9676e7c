#include "base/hash.h"

#include <openssl/evp.h>

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace pj {
namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}

uint32_t SoftwareCrc(std::string_view bytes, uint32_t crc) {
  static constexpr auto kTable = MakeTable();
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t HardwareCrc(std::string_view bytes, uint32_t crc) {
  const char* p = bytes.data();
  size_t left = bytes.size();
  uint64_t wide = crc;
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t word = 0;
    __builtin_memcpy(&word, p, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  return SoftwareCrc({p, left}, static_cast<uint32_t>(wide));
}
#endif

std::string Hex(const unsigned char* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * size);
  for (size_t i = 0; i < size; ++i) {
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNoValue = 255;

constexpr std::array<uint8_t, 256> MakeValues() {
  std::array<uint8_t, 256> values{};
  values.fill(kNoValue);
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = i;
  return values;
}

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2");
  if (has_sse42) return ~HardwareCrc(bytes, ~crc);
#endif
  return ~SoftwareCrc(bytes, ~crc);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr);
}
Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }
void Sha256::Update(std::string_view bytes) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
}
std::string Sha256::HexDigest() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest, &size);
  return Hex(digest, size);
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 sha;
  sha.Update(bytes);
  return sha.HexDigest();
}

std::string Base64Encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) {
      word = word << 8 | (k < n ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out.push_back(k <= n ? kAlphabet[word >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

Result<std::string> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0) return Fail(Code::kCorrupt, "base64 length is not a multiple of 4");
  static constexpr auto kValues = MakeValues();
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const size_t pad = !last ? 0 : text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    uint32_t word = 0;
    for (size_t k = 0; k < 4; ++k) {
      const uint8_t value = k < 4 - pad ? kValues[static_cast<uint8_t>(text[i + k])] : 0;
      if (value == kNoValue) {
        return Fail(Code::kCorrupt, "character outside the base64 alphabet");
      }
      word = word << 6 | value;
    }
    if (pad > 0 && (word & ((1U << 8 * pad) - 1)) != 0) {
      return Fail(Code::kCorrupt, "base64 ends in bits that belong to no byte");
    }
    for (size_t k = 0; k < 3 - pad; ++k) {
      out.push_back(static_cast<char>(word >> (16 - 8 * k) & 0xff));
    }
  }
  return out;
}

}  // namespace pj
