// IntervalSet: a set of mini-batch numbers kept as disjoint half-open ranges.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace pj {

// Not thread-safe. Touching ranges are merged, so the representation is unique.
class IntervalSet {
 public:
  using Map = std::map<uint64_t, uint64_t>;  // begin → end

  bool Contains(uint64_t x) const {
    auto it = ranges_.upper_bound(x);
    return it != ranges_.begin() && std::prev(it)->second > x;
  }
  void Add(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    auto it = ranges_.upper_bound(begin);
    if (it != ranges_.begin() && std::prev(it)->second >= begin) {
      --it;
      begin = it->first;
      if (it->second >= end) return;
    }
    while (it != ranges_.end() && it->first <= end) {
      if (it->second > end) end = it->second;
      count_ -= it->second - it->first;
      it = ranges_.erase(it);
    }
    ranges_.emplace_hint(it, begin, end);
    count_ += end - begin;
  }
  void Add(uint64_t x) { Add(x, x + 1); }
  void Remove(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    auto it = ranges_.upper_bound(begin);
    if (it != ranges_.begin()) --it;
    while (it != ranges_.end() && it->first < end) {
      const uint64_t b = it->first;
      const uint64_t e = it->second;
      if (e <= begin) {
        ++it;
        continue;
      }
      count_ -= e - b;
      it = ranges_.erase(it);
      if (b < begin) {
        ranges_.emplace(b, begin);
        count_ += begin - b;
      }
      if (e > end) {
        it = ranges_.emplace(end, e).first;
        count_ += e - end;
      }
    }
  }
  void Remove(uint64_t x) { Remove(x, x + 1); }

  uint64_t count() const { return count_; }
  bool empty() const { return ranges_.empty(); }
  const Map& ranges() const { return ranges_; }
  void Clear() {
    ranges_.clear();
    count_ = 0;
  }
  bool operator==(const IntervalSet&) const = default;

 private:
  Map ranges_;
  uint64_t count_ = 0;
};

}  // namespace pj
