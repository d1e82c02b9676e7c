// Envelope of every ledger object: magic, version, payload, CRC32C; the same in all versions to
// come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pj::ledger {

std::string Seal(std::string_view magic, uint8_t version, std::string_view payload);

struct EnvelopeRules {
  std::string_view magic;
  uint8_t version = 1;
  size_t max_bytes = 0;
  std::string_view what;  // for messages
};
// The payload, a view into `bytes`. kCorrupt when damaged or over the limit; kInvalid when a newer
// program wrote it.
Result<std::string_view> Unseal(std::string_view bytes, const EnvelopeRules& rules);

}  // namespace pj::ledger
