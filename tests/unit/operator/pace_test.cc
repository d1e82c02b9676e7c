#include "operator/pace.h"

#include <gtest/gtest.h>

#include <vector>

namespace pj::op {
namespace {

std::vector<int64_t> Moments(Pace* pace, Nanos now, int count) {
  std::vector<int64_t> out;
  for (int i = 0; i < count; ++i) {
    out.push_back(std::chrono::duration_cast<Millis>(pace->Reserve(now) - now).count());
  }
  return out;
}

using Expected = std::vector<int64_t>;

TEST(PaceTest, OneSecondsWorthComesAtOnceAndTheRestOneByOne) {
  Pace pace(4);
  EXPECT_EQ(Moments(&pace, Seconds(100), 7), (Expected{0, 0, 0, 0, 250, 500, 750}));
  EXPECT_EQ(Moments(&pace, Seconds(100), 1), Expected{1000});
}

TEST(PaceTest, RestIsNotSavedUp) {
  Pace pace(4);
  EXPECT_EQ(Moments(&pace, Seconds(100), 4), (Expected{0, 0, 0, 0}));
  EXPECT_EQ(Moments(&pace, Seconds(900), 5), (Expected{0, 0, 0, 0, 250}));
}

TEST(PaceTest, LessThanOneASecond) {
  Pace pace(0.5);
  EXPECT_EQ(Moments(&pace, Nanos(0), 3), (Expected{0, 2000, 4000}));
}

}  // namespace
}  // namespace pj::op
