// Clock: the only source of time for code that must be simulated or tested.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pj {

using Nanos = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

// Wall-clock time, nanoseconds since the Unix epoch, UTC.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

// Thread-safe. Monotonic time never goes back and says nothing about dates; wall time is for
// people.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanos Monotonic() const = 0;
  virtual WallTime Wall() const = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME. Lives for the whole program.
const Clock& SystemClock();

// A clock that a test or the simulator moves by hand. Not thread-safe.
class ManualClock : public Clock {
 public:
  Nanos Monotonic() const override { return now_; }
  WallTime Wall() const override { return WallTime(now_ + offset_); }
  void Advance(Nanos by) { now_ += by; }
  void Set(Nanos now) { now_ = now; }

 private:
  Nanos now_{0};
  Nanos offset_ = std::chrono::hours(24 * 365 * 50);
};

// "2026-01-31T12:00:00.123456Z" (RFC 3339, microseconds), as Kubernetes' MicroTime.
std::string FormatRfc3339(WallTime time);
// "2026-01-31T12:00:00Z", as Kubernetes' Time.
std::string FormatRfc3339Seconds(WallTime time);
// Either of them, in UTC; nothing for any other text.
std::optional<WallTime> ParseRfc3339(std::string_view text);

}  // namespace pj
