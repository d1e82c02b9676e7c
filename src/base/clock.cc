#include "base/clock.h"

#include <fmt/core.h>
#include <time.h>

namespace pj {
namespace {

Nanos Read(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return Seconds(ts.tv_sec) + Nanos(ts.tv_nsec);
}

class RealClock : public Clock {
 public:
  Nanos Monotonic() const override { return Read(CLOCK_MONOTONIC); }
  WallTime Wall() const override { return WallTime(Read(CLOCK_REALTIME)); }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

std::string FormatRfc3339(WallTime time) {
  const auto whole = std::chrono::floor<Seconds>(time.time_since_epoch());  // before 1970, too
  const int64_t nanos = (time.time_since_epoch() - whole).count();
  const time_t seconds = static_cast<time_t>(whole.count());
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     nanos / 1000);
}

std::string FormatRfc3339Seconds(WallTime time) { return FormatRfc3339(time).substr(0, 19) + "Z"; }

std::optional<WallTime> ParseRfc3339(std::string_view text) {
  const std::string copy(text);
  tm parts{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  int64_t nanos = 0;
  if (*rest == '.') {
    int64_t unit = 100'000'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) nanos += (*rest - '0') * unit;
  }
  if (std::string_view(rest) != "Z") return std::nullopt;
  return WallTime(Seconds(timegm(&parts)) + Nanos(nanos));
}

}  // namespace pj
