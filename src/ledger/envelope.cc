#include "ledger/envelope.h"

#include <fmt/core.h>

#include "base/byte_io.h"
#include "base/hash.h"

namespace pj::ledger {

std::string Seal(std::string_view magic, uint8_t version, std::string_view payload) {
  ByteWriter out;
  out.str().reserve(magic.size() + payload.size() + 5);
  out.Raw(magic);
  out.U8(version);
  out.Raw(payload);
  out.U32(Crc32c(out.str()));
  return std::move(out.str());
}

Result<std::string_view> Unseal(std::string_view bytes, const EnvelopeRules& rules) {
  const size_t head = rules.magic.size() + 1;
  if (bytes.size() > rules.max_bytes) {
    return Fail(Code::kCorrupt,
                fmt::format("LedgerCorrupt: a {} of {} bytes; at most {} are possible", rules.what,
                            bytes.size(), rules.max_bytes));
  }
  if (bytes.size() < head + 4 || !bytes.starts_with(rules.magic)) {
    return Fail(Code::kCorrupt, fmt::format("LedgerCorrupt: not a {}", rules.what));
  }
  const std::string_view body = bytes.substr(0, bytes.size() - 4);
  ByteReader tail(bytes.substr(bytes.size() - 4));
  if (Crc32c(body) != tail.U32()) {
    return Fail(Code::kCorrupt, fmt::format("LedgerCorrupt: a {}'s checksum is wrong", rules.what));
  }
  const uint8_t version = static_cast<uint8_t>(body[rules.magic.size()]);
  if (version > rules.version) {
    return Fail(Code::kInvalid,
                fmt::format("a {} of format version {}; this program knows {}", rules.what, version,
                            rules.version),
                {}, "use the program version that started this job, or a newer one");
  }
  if (version == 0) {
    return Fail(Code::kCorrupt, fmt::format("LedgerCorrupt: a {} without version", rules.what));
  }
  return body.substr(head);
}

}  // namespace pj::ledger
