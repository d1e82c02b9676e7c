// The fast scanner: AVX2 compares, quotes by carry-less multiplication, all else by integer
// arithmetic on 64-bit masks. Where a quote stands within an unquoted field the parity of quotes
// means nothing; such blocks go through the scalar machine.
#include "plan/record_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define PJ_AVX2 __attribute__((target("avx2,pclmul")))

namespace pj::plan {
namespace {

using Field = ScanState::Field;

struct Needles {
  __m256i lf, cr, quote, delimiter, blank1, blank2;
};

PJ_AVX2 inline uint64_t Equal(__m256i low, __m256i high, __m256i needle) {
  const auto a = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, needle)));
  const auto b = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, needle)));
  return a | static_cast<uint64_t>(b) << 32;
}

// Bit i of the result is the parity of bits 0…i.
PJ_AVX2 inline uint64_t PrefixXor(uint64_t bits) {
  const __m128i ones = _mm_set1_epi8(static_cast<char>(0xFF));
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<int64_t>(bits)), ones, 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

// Bytes protected by quotes (opening quote included, closing one not). False if a quote opens where
// no field begins.
struct QuoteMasks {
  uint64_t inside = 0;
  bool valid = true;
};

PJ_AVX2 inline QuoteMasks Quotes(uint64_t quotes, uint64_t breaks, const ScanState& state) {
  QuoteMasks out;
  const bool carry = state.field == Field::kQuoted;
  out.inside = PrefixXor(quotes) ^ (carry ? ~uint64_t{0} : 0);
  const uint64_t opening = quotes & out.inside;
  const uint64_t before = state.field == Field::kUnquoted ? 0 : 1;
  out.valid = (opening & ~((breaks | quotes) << 1 | before)) == 0;
  return out;
}

// Record ends of a block, given its line ends and its blanks; moves `line_blank`.
inline uint64_t RecordEnds(uint64_t line_ends, uint64_t blanks, bool* line_blank) {
  const uint64_t starts = line_ends << 1 | (*line_blank ? 1 : 0);
  // Adding the starts to the runs of blanks leaves a bit just behind each run that begins a line.
  uint64_t sum = 0;
  const bool runs_over = __builtin_add_overflow(blanks, starts & blanks, &sum);
  const uint64_t behind = (sum | starts) & ~blanks;
  *line_blank = runs_over || (line_ends >> 63) != 0;
  return line_ends & ~behind;
}

inline Field FieldAfter(uint64_t inside, uint64_t quotes, uint64_t breaks) {
  if (inside >> 63 != 0) return Field::kQuoted;
  if (breaks >> 63 != 0) return Field::kStart;
  return quotes >> 63 != 0 ? Field::kQuoteInQuoted : Field::kUnquoted;
}

template <bool kQuotes>
PJ_AVX2 void ScanBlocks(const ScanOptions& options, const char* data, size_t blocks,
                        ScanState* state, uint64_t* masks) {
  const char blank1 = options.delimiter == ' ' ? '\t' : ' ';
  const char blank2 = options.delimiter == '\t' ? ' ' : '\t';
  const Needles needles = {_mm256_set1_epi8('\n'),   _mm256_set1_epi8('\r'),
                           _mm256_set1_epi8('"'),    _mm256_set1_epi8(options.delimiter),
                           _mm256_set1_epi8(blank1), _mm256_set1_epi8(blank2)};
  for (size_t i = 0; i < blocks; ++i, data += kScanBlock) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + 32));
    const uint64_t lf = Equal(low, high, needles.lf);
    const uint64_t cr = Equal(low, high, needles.cr);
    const uint64_t after = static_cast<uint64_t>(data[kScanBlock] == '\n') << 63;
    const uint64_t crlf = cr & (lf >> 1 | after);
    const uint64_t delimiter = kQuotes ? Equal(low, high, needles.delimiter) : 0;
    uint64_t line_ends = lf | (cr & ~crlf);
    if constexpr (kQuotes) {
      const uint64_t quotes = Equal(low, high, needles.quote);
      const uint64_t breaks = lf | cr | delimiter;
      const QuoteMasks q = Quotes(quotes, breaks, *state);
      if (!q.valid) {
        ScanScalar(options, data, kScanBlock, state, masks + i);
        continue;
      }
      line_ends &= ~q.inside;
      state->field = FieldAfter(q.inside, quotes, breaks);
    }
    const uint64_t blanks =
        Equal(low, high, needles.blank1) | Equal(low, high, needles.blank2) | crlf;
    masks[i] = RecordEnds(line_ends, blanks, &state->line_blank);
  }
}

}  // namespace

void ScanAvx2(const ScanOptions& options, const char* data, size_t blocks, ScanState* state,
              uint64_t* masks) {
  return options.quotes ? ScanBlocks<true>(options, data, blocks, state, masks)
                        : ScanBlocks<false>(options, data, blocks, state, masks);
}

SimdLevel BestSimd() {
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul");
  return has ? SimdLevel::kAvx2 : SimdLevel::kScalar;
}

}  // namespace pj::plan

#else

namespace pj::plan {

void ScanAvx2(const ScanOptions& options, const char* data, size_t blocks, ScanState* state,
              uint64_t* masks) {
  ScanScalar(options, data, blocks * kScanBlock, state, masks);
}

SimdLevel BestSimd() { return SimdLevel::kScalar; }

}  // namespace pj::plan

#endif
