// RecordScanner: finds where records end, 64 bytes at a time. See plan.h for what a record is.
//
// The result is a bit for each byte: set where a record's last byte stands. Consumers add up bits
// and look closer only where they cut; so one scanner serves splitting by size, by rows and by
// keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pj::plan {

// How characters lie in bytes. Single covers UTF-8 and all encodings that extend ASCII.
enum class CodeUnit : uint8_t { kSingle, kUtf16Le, kUtf16Be, kUtf32Le, kUtf32Be };
size_t UnitBytes(CodeUnit unit);

enum class SimdLevel : uint8_t { kScalar, kAvx2 };
// The best that this processor has.
SimdLevel BestSimd();

struct ScanOptions {
  char delimiter = ',';
  bool quotes = false;  // quoted fields may hold newlines
  CodeUnit unit = CodeUnit::kSingle;
};

inline constexpr size_t kScanBlock = 64;

// What lies before the next byte.
struct ScanState {
  enum class Field : uint8_t { kStart, kUnquoted, kQuoted, kQuoteInQuoted };
  Field field = Field::kStart;
  bool line_blank = true;  // nothing but blanks since the line began
};

// Not thread-safe: holds the state between calls. All levels give the same bits.
class RecordScanner {
 public:
  explicit RecordScanner(const ScanOptions& options, SimdLevel level = BestSimd(),
                         const ScanState& before = {});

  // Scans `blocks` × 64 bytes; one code unit behind them must be readable (zero at the end of the
  // data). masks[i] gets the bits of block i.
  void Scan(const char* data, size_t blocks, uint64_t* masks);
  // Scans the last bytes, less than a block: one mask.
  uint64_t ScanTail(std::string_view tail);
  const ScanState& state() const { return state_; }

 private:
  ScanOptions options_;
  SimdLevel level_;
  ScanState state_;
};

// The two implementations for single-byte units, over whole blocks.
void ScanScalar(const ScanOptions& options, const char* data, size_t size, ScanState* state,
                uint64_t* masks);
void ScanAvx2(const ScanOptions& options, const char* data, size_t blocks, ScanState* state,
              uint64_t* masks);

}  // namespace pj::plan
