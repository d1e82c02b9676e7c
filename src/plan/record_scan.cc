#include "plan/record_scan.h"

#include <cstring>

namespace pj::plan {
namespace {

// One character at a time: the definition that the fast path must agree with.
class CharacterMachine {
 public:
  CharacterMachine(const ScanOptions& options, ScanState* state)
      : delimiter_(static_cast<uint8_t>(options.delimiter)),
        quotes_(options.quotes),
        state_(*state) {}

  const ScanState& state() const { return state_; }

  // True if `c`, followed by `next`, ends a record.
  bool Take(uint32_t c, uint32_t next) {
    using Field = ScanState::Field;
    if (quotes_ && Quoted(c)) return false;
    if (c == '\n' || (c == '\r' && next != '\n')) {
      const bool record = !state_.line_blank;
      state_ = {};
      return record;
    }
    const bool delimiter = c == delimiter_;
    const bool blank = (c == ' ' || c == '\t' || c == '\r') && !delimiter;
    state_.field = delimiter ? Field::kStart : Field::kUnquoted;
    state_.line_blank = state_.line_blank && blank;
    return false;
  }

 private:
  // True if `c` is a quote that means something, or protected by quotes.
  bool Quoted(uint32_t c) {
    using Field = ScanState::Field;
    const bool quote = c == '"';
    if (state_.field == Field::kQuoted) {
      if (quote) state_.field = Field::kQuoteInQuoted;
      return true;
    }
    if (!quote || state_.field == Field::kUnquoted) return false;
    state_.field = Field::kQuoted;
    state_.line_blank = false;
    return true;
  }

  uint32_t delimiter_;
  bool quotes_;
  ScanState state_;
};

template <size_t kBytes, bool kBigEndian>
uint32_t UnitAt(const char* data) {
  uint32_t value = 0;
  for (size_t i = 0; i < kBytes; ++i) {
    const size_t shift = 8 * (kBigEndian ? kBytes - 1 - i : i);
    value |= static_cast<uint32_t>(static_cast<uint8_t>(data[i])) << shift;
  }
  return value;
}

template <size_t kBytes, bool kBigEndian>
void ScanUnits(const ScanOptions& options, const char* data, size_t size, ScanState* state,
               uint64_t* masks) {
  CharacterMachine machine(options, state);
  for (size_t i = 0; i + kBytes <= size; i += kBytes) {
    const uint32_t c = UnitAt<kBytes, kBigEndian>(data + i);
    if (!machine.Take(c, UnitAt<kBytes, kBigEndian>(data + i + kBytes))) continue;
    const size_t last = i + kBytes - 1;
    masks[last / kScanBlock] |= uint64_t{1} << (last % kScanBlock);
  }
  *state = machine.state();
}

void ScanByUnit(const ScanOptions& options, const char* data, size_t size, ScanState* state,
                uint64_t* masks) {
  switch (options.unit) {
    case CodeUnit::kSingle:
      return ScanScalar(options, data, size, state, masks);
    case CodeUnit::kUtf16Le:
      return ScanUnits<2, false>(options, data, size, state, masks);
    case CodeUnit::kUtf16Be:
      return ScanUnits<2, true>(options, data, size, state, masks);
    case CodeUnit::kUtf32Le:
      return ScanUnits<4, false>(options, data, size, state, masks);
    case CodeUnit::kUtf32Be:
      return ScanUnits<4, true>(options, data, size, state, masks);
  }
}

}  // namespace

size_t UnitBytes(CodeUnit unit) {
  switch (unit) {
    case CodeUnit::kSingle:
      return 1;
    case CodeUnit::kUtf16Le:
    case CodeUnit::kUtf16Be:
      return 2;
    case CodeUnit::kUtf32Le:
    case CodeUnit::kUtf32Be:
      return 4;
  }
  return 1;
}

void ScanScalar(const ScanOptions& options, const char* data, size_t size, ScanState* state,
                uint64_t* masks) {
  std::memset(masks, 0, (size + kScanBlock - 1) / kScanBlock * sizeof(uint64_t));
  ScanUnits<1, false>(options, data, size, state, masks);
}

RecordScanner::RecordScanner(const ScanOptions& options, SimdLevel level, const ScanState& before)
    : options_(options), level_(level), state_(before) {}

void RecordScanner::Scan(const char* data, size_t blocks, uint64_t* masks) {
  if (options_.unit == CodeUnit::kSingle && level_ == SimdLevel::kAvx2) {
    return ScanAvx2(options_, data, blocks, &state_, masks);
  }
  std::memset(masks, 0, blocks * sizeof(uint64_t));
  ScanByUnit(options_, data, blocks * kScanBlock, &state_, masks);
}

uint64_t RecordScanner::ScanTail(std::string_view tail) {
  char padded[kScanBlock + 4] = {};  // the unit behind the end reads as zero
  std::memcpy(padded, tail.data(), tail.size());
  uint64_t mask = 0;
  ScanByUnit(options_, padded, tail.size(), &state_, &mask);
  return mask;
}

}  // namespace pj::plan
