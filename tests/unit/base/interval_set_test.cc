#include "base/interval_set.h"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.h"

namespace pj {
namespace {

IntervalSet::Map RangesOf(const std::set<uint64_t>& numbers) {
  IntervalSet::Map ranges;
  for (const uint64_t x : numbers) {
    if (!ranges.empty() && ranges.rbegin()->second == x) {
      ++ranges.rbegin()->second;
    } else {
      ranges[x] = x + 1;
    }
  }
  return ranges;
}

TEST(IntervalSetTest, TouchingRangesBecomeOne) {
  IntervalSet set;
  set.Add(5, 7);
  set.Add(1, 3);
  set.Add(3, 5);
  EXPECT_EQ(set.ranges(), (IntervalSet::Map{{1, 7}}));
  EXPECT_EQ(set.count(), 6u);
}

TEST(IntervalSetTest, EmptyRangesChangeNothing) {
  IntervalSet set;
  set.Add(3, 3);
  set.Add(5, 2);
  set.Remove(9, 1);
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.count(), 0u);
  EXPECT_FALSE(set.Contains(3));
}

TEST(IntervalSetTest, TheEndsOfTheNumberLine) {
  IntervalSet set;
  set.Add(0);
  set.Add(UINT64_MAX - 1, UINT64_MAX);
  EXPECT_TRUE(set.Contains(0));
  EXPECT_TRUE(set.Contains(UINT64_MAX - 1));
  set.Remove(0, UINT64_MAX);
  EXPECT_TRUE(set.empty());
}

TEST(IntervalSetTest, BehavesLikeASetOfNumbers) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed);
    IntervalSet set;
    std::set<uint64_t> model;
    const uint64_t span = 10 + rng.Below(100);
    for (int step = 0; step < 300; ++step) {
      const uint64_t begin = rng.Below(span);
      const uint64_t end = begin + rng.Below(12);
      if (rng.Below(5) < 3) {
        set.Add(begin, end);
        for (uint64_t x = begin; x < end; ++x) model.insert(x);
      } else {
        set.Remove(begin, end);
        for (uint64_t x = begin; x < end; ++x) model.erase(x);
      }
      ASSERT_EQ(set.count(), model.size()) << "seed " << seed << " step " << step;
      ASSERT_EQ(set.ranges(), RangesOf(model)) << "seed " << seed << " step " << step;
    }
    for (uint64_t x = 0; x < span + 12; ++x) ASSERT_EQ(set.Contains(x), model.contains(x)) << x;
  }
}

TEST(IntervalSetTest, EqualSetsAreEqualHoweverTheyCameAbout) {
  IntervalSet one;
  one.Add(0, 10);
  one.Remove(4, 6);
  IntervalSet two;
  for (const uint64_t x : {9, 0, 8, 1, 7, 2, 6, 3}) two.Add(x);
  EXPECT_EQ(one, two);
  two.Clear();
  EXPECT_EQ(two, IntervalSet());
}

}  // namespace
}  // namespace pj
