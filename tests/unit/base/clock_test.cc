#include "base/clock.h"

#include <gtest/gtest.h>

#include "base/backoff.h"
#include "base/rng.h"

namespace pj {
namespace {

TEST(Rfc3339Test, KnownTimes) {
  EXPECT_EQ(FormatRfc3339(WallTime(Nanos(0))), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatRfc3339(WallTime(Nanos(999))), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatRfc3339(WallTime(Seconds(1'769'860'800) + Nanos(123'456'789))),
            "2026-01-31T12:00:00.123456Z");
  EXPECT_EQ(FormatRfc3339(WallTime(Seconds(951'782'399) + Nanos(999'999'999))),
            "2000-02-28T23:59:59.999999Z");
  EXPECT_EQ(FormatRfc3339(WallTime(Seconds(951'782'400))), "2000-02-29T00:00:00.000000Z");
}

TEST(Rfc3339Test, TimesBefore1970) {
  EXPECT_EQ(FormatRfc3339(WallTime(Nanos(-1000))), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatRfc3339(WallTime(Seconds(-1))), "1969-12-31T23:59:59.000000Z");
}

TEST(ClockTest, MonotonicTimeDoesNotGoBack) {
  const Nanos before = SystemClock().Monotonic();
  EXPECT_GE(SystemClock().Monotonic(), before);
  EXPECT_GT(SystemClock().Wall(), WallTime(Seconds(1'700'000'000)));
}

TEST(ClockTest, AManualClockMovesOnlyByHand) {
  ManualClock clock;
  const WallTime wall = clock.Wall();
  clock.Advance(Seconds(5));
  EXPECT_EQ(clock.Monotonic(), Nanos(Seconds(5)));
  EXPECT_EQ(clock.Wall() - wall, Nanos(Seconds(5)));
}

TEST(BackoffTest, WaitsGrowUpToTheCapAndNeverReachZero) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(Millis(10), Seconds(1), seed);
    Nanos bound = Millis(10);
    for (int i = 0; i < 100; ++i) {
      const Nanos wait = backoff.Next();
      EXPECT_GT(wait, Nanos(0));
      EXPECT_LE(wait, bound);
      bound = std::min<Nanos>(Seconds(1), bound * 2);
    }
  }
}

TEST(BackoffTest, LongFirstWaitsDoNotOverflow) {
  Backoff backoff(std::chrono::hours(1), std::chrono::hours(24), 1);
  for (int i = 0; i < 100; ++i) {
    const Nanos wait = backoff.Next();
    EXPECT_GT(wait, Nanos(0));
    EXPECT_LE(wait, std::chrono::hours(24));
  }
}

TEST(BackoffTest, ResetBeginsAnewAndZeroIsNoDivision) {
  Backoff backoff(Millis(1), Seconds(100), 1);
  for (int i = 0; i < 10; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_LE(backoff.Next(), Millis(1));
  EXPECT_EQ(Backoff(Nanos(0), Seconds(1), 1).Next(), Nanos(1));
}

TEST(RngTest, TheSequenceIsFixed) {
  Rng rng(1234567);  // SplitMix64's published test values
  EXPECT_EQ(rng.Next(), 6457827717110365317ULL);
  EXPECT_EQ(rng.Next(), 3203168211198807973ULL);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(rng.Below(7), 7u);
    const double unit = rng.Unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
  }
}

TEST(Clock, ReadsTheTimesItWrites) {
  const WallTime time(Seconds(1'769'860'800) + Nanos(123'456'000));
  EXPECT_EQ(ParseRfc3339(FormatRfc3339(time)), time);
  EXPECT_EQ(FormatRfc3339Seconds(time), "2026-01-31T12:00:00Z");
  EXPECT_EQ(ParseRfc3339("2026-01-31T12:00:00Z"), WallTime(Seconds(1'769'860'800)));
  for (const char* text : {"", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00+01",
                           "2026-01-31T12:00:00Zz", "2026-01-31T12:00:00.5"}) {
    EXPECT_EQ(ParseRfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pj
