#include "operator/lag.h"

#include <gtest/gtest.h>

namespace pj::op {
namespace {

TEST(LagTest, TheFirstChangeCountsAndATurnEndsIt) {
  Lag lag;
  lag.Changed("ns/a", Seconds(10));
  lag.Changed("ns/a", Seconds(12));
  lag.Changed("ns/b", Seconds(13));
  EXPECT_EQ(lag.Ended("ns/a", Seconds(15)), Seconds(5));
  EXPECT_EQ(lag.Ended("ns/a", Seconds(16)), Nanos(0)) << "only the clock asked for that turn";
  EXPECT_EQ(lag.Ended("ns/b", Seconds(16)), Seconds(3));
}

TEST(LagTest, TheTimeOfAStandbyIsNoLag) {
  Lag lag;
  lag.Changed("ns/a", Seconds(10));
  lag.Begin(Seconds(3600));
  EXPECT_EQ(lag.Ended("ns/a", Seconds(3601)), Seconds(1));
}

}  // namespace
}  // namespace pj::op
