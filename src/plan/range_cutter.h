// RangeCutter: packs the records of one file into ranges, by bytes or by rows.
#pragma once

#include <cstdint>
#include <functional>

#include "plan/table_file.h"

namespace pj::plan {

// How many bits are set.
uint64_t CountBits(const uint64_t* masks, size_t count);

// Not thread-safe. Records are added while the sum of their bytes stays within the limit, at least
// one; bytes of blank lines count with the record behind them.
class RangeCutter {
 public:
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
    uint64_t records = 0;
  };
  using Sink = std::function<Status(const Range&)>;

  RangeCutter(PlanRequest::SizeUnit unit, uint64_t limit, Sink sink)
      : by_rows_(unit == PlanRequest::SizeUnit::kRows), limit_(limit), sink_(std::move(sink)) {}

  void Start(uint64_t begin) { range_ = {begin, begin, 0}; }
  Status Add(const ScanWindow& window);
  // Gives out what is left.
  Status Finish();

 private:
  bool FitsWhole(uint64_t records, uint64_t end) const;
  Status AddEach(const ScanWindow& window, size_t first, size_t count);
  Status AddRecord(uint64_t end);

  bool by_rows_;
  uint64_t limit_;
  Sink sink_;
  Range range_;
};

}  // namespace pj::plan
