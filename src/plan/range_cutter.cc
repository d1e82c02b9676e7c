#include "plan/range_cutter.h"

#include <algorithm>
#include <bit>

namespace pj::plan {
namespace {

constexpr size_t kChunkBlocks = 16;  // looked at as a whole: 1 KiB

uint64_t CountPortably(const uint64_t* masks, size_t count) {
  uint64_t bits = 0;
  for (size_t i = 0; i < count; ++i) bits += static_cast<uint64_t>(std::popcount(masks[i]));
  return bits;
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) uint64_t CountFast(const uint64_t* masks, size_t count) {
  uint64_t bits = 0;
  for (size_t i = 0; i < count; ++i) bits += static_cast<uint64_t>(__builtin_popcountll(masks[i]));
  return bits;
}
#endif

}  // namespace

uint64_t CountBits(const uint64_t* masks, size_t count) {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("popcnt");
  if (has) return CountFast(masks, count);
#endif
  return CountPortably(masks, count);
}

bool RangeCutter::FitsWhole(uint64_t records, uint64_t end) const {
  return by_rows_ ? range_.records + records <= limit_ : end - range_.begin <= limit_;
}

Status RangeCutter::Add(const ScanWindow& window) {
  for (size_t i = 0; i < window.blocks; i += kChunkBlocks) {
    const size_t count = std::min(kChunkBlocks, window.blocks - i);
    const uint64_t end = window.offset + std::min((i + count) * kScanBlock, window.size);
    const uint64_t records = CountBits(window.masks + i, count);
    if (records == 0) continue;
    if (!FitsWhole(records, end)) {
      PJ_TRY(AddEach(window, i, count));
      continue;
    }
    size_t last = i + count - 1;
    while (window.masks[last] == 0) --last;
    const auto bit = static_cast<size_t>(63 - std::countl_zero(window.masks[last]));
    range_.records += records;
    range_.end = window.offset + last * kScanBlock + bit + 1;
  }
  return {};
}

Status RangeCutter::AddEach(const ScanWindow& window, size_t first, size_t count) {
  for (size_t i = first; i < first + count; ++i) {
    for (uint64_t mask = window.masks[i]; mask != 0; mask &= mask - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(mask));
      PJ_TRY(AddRecord(window.offset + i * kScanBlock + bit + 1));
    }
  }
  return {};
}

Status RangeCutter::AddRecord(uint64_t end) {
  if (range_.records > 0 && !FitsWhole(1, end)) {
    PJ_TRY(sink_(range_));
    range_ = {range_.end, range_.end, 0};
  }
  ++range_.records;
  range_.end = end;
  return {};
}

Status RangeCutter::Finish() {
  if (range_.records == 0) return {};
  PJ_TRY(sink_(range_));
  range_ = {range_.end, range_.end, 0};
  return {};
}

}  // namespace pj::plan
